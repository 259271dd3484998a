"""The live halves of the states: what to load, and who of those that wait is next."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from experts.errors import ExpertUnavailable
from experts.spec import VllmSpec
from experts.vllm.loads import EngineLoad
from orchestrator.residency.costs import CostEstimates
from orchestrator.residency.queues import (
    DEFAULT_KV_CACHE_BYTES,
    GIB,
    HostedEngine,
    HostedSlot,
    Waiter,
    WaitingLine,
    engine_loads,
    estimate_gb,
)
from orchestrator.residency.state import Costs, EngineState, Phase, Replica, SlotState, add_replica
from orchestrator.store import MemoryStore


def _spec(**keys: Any) -> VllmSpec:
    return VllmSpec(type="vllm", **{"model": "org/model", **keys})


def _engine(measure_gb: bool = False, **limits: int) -> HostedEngine:
    limits = limits or {"a": 1}
    state = EngineState("a", 1.0, max_in_flight=sum(limits.values()))
    estimates = CostEstimates("a", Costs(), MemoryStore(), lambda event: None)
    return HostedEngine(EngineLoad("a", "org/a"), state, estimates, limits, measure_gb)


def _ready(engine: HostedEngine, slot: str = "slot-0") -> Replica:
    replica = add_replica(engine.state, SlotState(slot, 4.0))
    replica.phase = Phase.READY
    return replica


def _waiter(since: float, bound: float = math.inf, expert: str = "a") -> Waiter:
    return Waiter(expert, since, since + bound, asyncio.get_running_loop().create_future())


# What to load.


def test_an_adapter_rides_along_with_its_base() -> None:
    hosted = {"base": _spec(), "adapter": _spec(model="/adapter", adapter_of="base")}
    loads = engine_loads(hosted, {})
    assert list(loads) == ["base"]
    assert loads["base"].experts == ("base", "adapter")
    assert loads["base"].adapters == {"adapter": "/adapter"}


def test_an_experts_engine_arguments_override_those_of_the_slots() -> None:
    hosted = {"a": _spec(engine_args={"max_model_len": 64})}
    loads = engine_loads(hosted, {"max_model_len": 1024, "dtype": "float32"})
    assert loads["a"].engine_args == {"max_model_len": 64, "dtype": "float32"}


def test_memory_is_estimated_from_the_weights_and_the_cache(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    load = engine_loads({"a": _spec(model=str(tmp_path))}, {})["a"]
    assert estimate_gb(load) == (2 * 1000 + DEFAULT_KV_CACHE_BYTES) / GIB


def test_the_configured_cache_counts_in_the_estimate() -> None:
    load = engine_loads({"a": _spec()}, {"kv_cache_memory_bytes": 1 << 30})["a"]
    assert estimate_gb(load) == 1.0


@pytest.mark.parametrize("odd", [None, "2G", 1e9], ids=["null", "text", "float"])
def test_a_cache_size_that_only_vllm_understands_does_not_break_the_estimate(odd: Any) -> None:
    load = engine_loads({"a": _spec()}, {"kv_cache_memory_bytes": odd})["a"]
    assert estimate_gb(load) > 0


def test_the_largest_measurement_counts() -> None:
    engine = _engine(measure_gb=True)
    for measured_gb, known_gb in ((2.0, 2.0), (0.5, 2.0), (3.0, 3.0)):
        engine.measured(measured_gb)
        assert engine.state.memory_gb == known_gb


def test_configured_memory_is_not_measured() -> None:
    engine = _engine()
    engine.measured(9.0)
    assert engine.state.memory_gb == 1.0


# Who is next.


async def test_the_nearest_age_bound_is_served_first_then_the_oldest() -> None:
    engine = _engine()
    replica = _ready(engine)
    waiters = [_waiter(0.0), _waiter(1.0), _waiter(2.0, 9.0), _waiter(3.0, 5.0), _waiter(4.0, 9.0)]
    for waiter in waiters:
        engine.enqueue(waiter)
    order = []
    while engine.state.waiting:
        engine.serve(10.0)
        order += [w.since for w in waiters if w.granted.done() and w.since not in order]
        replica.in_use, engine.in_use["a"] = 0, 0
    assert order == [3.0, 2.0, 4.0, 0.0, 1.0]


async def test_the_book_knows_how_many_wait_and_for_how_long() -> None:
    engine = _engine()
    first, second = _waiter(1.0), _waiter(2.0, 5.0)
    engine.enqueue(first)
    engine.enqueue(second)
    assert (engine.state.waiting, engine.state.oldest, engine.state.deadline) == (2, 1.0, 7.0)
    engine.leave(first)
    assert (engine.state.waiting, engine.state.oldest, engine.state.deadline) == (1, 2.0, 7.0)
    engine.leave(second)
    engine.leave(second)
    assert (engine.state.waiting, engine.state.oldest) == (0, math.inf)
    assert engine.state.deadline == math.inf


async def test_a_full_expert_does_not_keep_another_one_of_its_engine_waiting() -> None:
    engine = _engine(a=1, tuned=1)
    replica = _ready(engine)
    engine.begin("a", replica, 0.0)
    full, free = _waiter(1.0, 5.0), _waiter(2.0, expert="tuned")
    engine.enqueue(full)
    engine.enqueue(free)
    engine.serve(3.0)
    assert not full.granted.done()
    assert free.granted.result() is replica
    assert engine.in_use == {"a": 1, "tuned": 1}


async def test_a_client_that_has_left_is_passed_over() -> None:
    engine = _engine()
    replica = _ready(engine)
    gone, next_one = _waiter(1.0), _waiter(2.0)
    engine.enqueue(gone)
    engine.enqueue(next_one)
    gone.granted.cancel()
    engine.serve(3.0)
    assert next_one.granted.result() is replica
    assert (replica.in_use, engine.in_use["a"], engine.state.waiting) == (1, 1, 0)


async def test_everybody_who_still_waits_is_told_that_it_was_in_vain() -> None:
    engine = _engine()
    gone, stays = _waiter(1.0), _waiter(2.0, 3.0)
    engine.enqueue(gone)
    engine.enqueue(stays)
    gone.granted.cancel()
    engine.reject(lambda: ExpertUnavailable("no", expert="a"))
    assert isinstance(stays.granted.exception(), ExpertUnavailable)
    assert engine.state.waiting == 0


def test_a_request_goes_to_the_emptiest_copy() -> None:
    engine = _engine(a=2)
    fuller, emptier = _ready(engine, "slot-0"), _ready(engine, "slot-1")
    engine.begin("a", fuller, 0.0)
    assert engine.admitting("a") is emptier
    emptier.phase = Phase.DRAINING
    assert engine.admitting("a") is fuller


def test_copies_that_load_serve_nobody_yet() -> None:
    engine = _engine(a=2, tuned=2)
    ready = _ready(engine)
    add_replica(engine.state, SlotState("slot-1", 4.0))
    assert engine.limit("a") == 2
    for _ in range(2):
        engine.begin("a", ready, 0.0)
    assert engine.admitting("a") is None
    assert engine.admitting("tuned") is ready


async def test_a_line_is_as_long_as_its_parts() -> None:
    line = WaitingLine()
    waiters = [_waiter(0.0), _waiter(1.0, 5.0), _waiter(2.0, 5.0)]
    for waiter in waiters:
        line.add(waiter)
    assert len(line) == 3
    assert {head.since for head in line.heads()} == {0.0, 1.0}
    line.remove(waiters[1])
    assert {head.since for head in line.heads()} == {0.0, 2.0}
    assert line.clear() == [waiters[0], waiters[2]]
    assert len(line) == 0
    assert not line


# The slot's state.


class NamedSlot:
    """A slot of which only the name matters."""

    id = "slot-0"


def _slot() -> HostedSlot:
    return HostedSlot(NamedSlot(), SlotState("slot-0", 8.0), base_gb=1.0)  # type: ignore[arg-type]


def test_what_loads_is_reserved_and_the_rest_is_used() -> None:
    slot, phases = _slot(), (Phase.LOADING, Phase.READY, Phase.DRAINING)
    for memory_gb, phase in zip((1.0, 2.0, 3.0), phases, strict=True):
        add_replica(EngineState(f"e{memory_gb}", memory_gb), slot.state).phase = phase
    slot.recount()
    assert (slot.state.used_gb, slot.state.reserved_gb, slot.state.free_gb) == (6.0, 1.0, 1.0)


def test_a_dead_process_is_distrusted_until_it_was_restarted() -> None:
    slot = _slot()
    slot.up.set()
    assert slot.distrust(0)
    assert not slot.up.is_set()
    slot.restarts += 1
    slot.up.set()
    assert not slot.distrust(0)
    assert slot.up.is_set()
