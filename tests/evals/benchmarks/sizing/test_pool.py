"""Engines of a configuration: their sizes, what moving them costs, and those that never fit."""

import math
from typing import Any

import pytest
from repository import ROOT

from evals.benchmarks.sizing.pool import (
    ASLEEP_GB,
    DROP_S,
    LOAD_GB_S,
    SLEEP_S,
    START_S,
    WAKE_GB_S,
    Estimates,
    Pool,
    pool_of,
)
from experts.errors import ConfigError
from experts.footprint.device import Device, on_gpus
from orchestrator.config.model import Config, load_config

CPU = Device("cpu")
GPU = on_gpus(1)


def config(*, slots: dict[str, Any] | None = None, **experts: dict[str, Any]) -> Config:
    hub = {"type": "vllm", "model": "org/model"}
    tree = {name: {**hub, **keys} for name, keys in experts.items()}
    return Config.model_validate({"experts": tree, "slots": {"memory_gb": 70, **(slots or {})}})


def make(settings: Config, device: Device = GPU, **known: dict[str, float]) -> Pool:
    return pool_of(settings, device, known, Estimates())


def test_the_zoo_has_its_sizes_and_its_adapter_rides_along() -> None:
    found = make(load_config(ROOT / "examples" / "zoo.yaml"), CPU)
    engines = {engine.name: engine for engine in found.engines}
    assert len(engines) == 8
    assert list(engines["strings"].limits) == ["strings", "cipher"]
    assert found.engine_of["cipher"] == found.engine_of["strings"]
    assert 0.002 < engines["duo"].weights_gb < 0.01 < engines["duo"].memory_gb < 0.5
    assert found.room_gb == pytest.approx(4.0 - 0.8)
    assert (found.sleep_level, found.on_gpu) == (0, False)


def test_what_was_not_measured_is_by_the_size_of_the_weights() -> None:
    [engine] = make(config(law={"memory_gb": 17.0})).engines
    assert engine.load_s == pytest.approx(START_S["cuda"] + 17.0 / LOAD_GB_S)
    assert engine.wake_s == pytest.approx(17.0 / WAKE_GB_S)
    assert (engine.leave_s, engine.drop_s, engine.measured) == (SLEEP_S, DROP_S, ())


def test_what_was_measured_counts() -> None:
    known = {"load_s": 40.0, "wake_s": 0.5, "share_s": 0.1}
    found = make(config(law={"memory_gb": 17.0}), law=known)
    [engine] = found.engines
    assert (engine.load_s, engine.wake_s, engine.leave_s) == (40.0, 0.5, SLEEP_S)
    assert found.measured == 1


def test_on_a_cpu_a_later_load_takes_what_was_measured_of_the_first() -> None:
    known = {"load_s": 3.0, "leave_s": 0.4}
    [engine] = make(config(law={"memory_gb": 2.0}), CPU, law=known).engines
    assert (engine.wake_s, engine.leave_s, engine.drop_s) == (3.0, 0.4, 0.4)


@pytest.mark.parametrize(
    ("slots", "level", "asleep_gb"),
    [({}, 1, ASLEEP_GB), ({"sleep_level": 0}, 0, 0.0), ({"sleeping_gb": 0.5}, 1, 0.5)],
)
def test_sleep_is_as_the_slots_say(slots: dict[str, Any], level: int, asleep_gb: float) -> None:
    found = make(config(slots=slots, law={"memory_gb": 17.0}))
    assert (found.sleep_level, found.asleep_gb) == (level, asleep_gb)
    [engine] = found.engines
    assert (engine.wake_s < engine.load_s) == bool(level)


def test_classes_pins_and_bounds_come_along() -> None:
    pinned = {"memory_gb": 1, "pin": True, "max_in_flight": 7}
    found = make(config(law=pinned, art={"memory_gb": 1}))
    law, art = found.engines
    assert (law.pinned, law.first, dict(law.limits)) == (True, True, {"law": 7})
    assert (art.pinned, art.first, art.max_idle_s) == (False, False, math.inf)
    assert found.bounds_s == {"interactive": 10.0, "batch": math.inf}


def test_large_engines_first_need_fewer_slots() -> None:
    small = {f"s{number}": {"memory_gb": 20} for number in range(4)}
    found = make(config(**small, large={"memory_gb": 60}))
    # Of 70 GB each; in the order of the file, the small ones would leave 50, 50 and 30.
    assert found.holds_all(3)
    assert not found.holds_all(2)
    assert len(found.places(2)) == 4


def test_engines_that_no_gpu_can_hold_are_all_named() -> None:
    settings = config(law={"memory_gb": 60}, art={"memory_gb": 65}, small={"memory_gb": 1})
    small = settings.model_copy(
        update={"slots": settings.slots.model_copy(update={"memory_gb": 40.0})}
    )
    with pytest.raises(ConfigError, match=r"2 of the pool's 3 engines can never be") as found:
        make(small)
    assert [problem.partition(",")[0] for problem in found.value.problems] == [
        "experts.law: takes 60.0 GB",
        "experts.art: takes 65.0 GB",
    ]


def test_an_engine_whose_size_nobody_knows_is_named() -> None:
    with pytest.raises(ConfigError, match=r"experts.law: how much memory it takes"):
        make(config(law={}))
