"""What to load for each expert, and how much memory that is taken to need."""

from pathlib import Path
from typing import Any

import pytest

from experts.spec import VllmSpec
from orchestrator.residency.engines import (
    DEFAULT_KV_CACHE_BYTES,
    GIB,
    HostedEngine,
    engine_loads,
    estimate_gb,
    hosted_engines,
)


def _spec(**keys: Any) -> VllmSpec:
    return VllmSpec(type="vllm", **{"model": "org/model", **keys})


def _engine(**keys: Any) -> HostedEngine:
    return hosted_engines({"a": _spec(**keys)}, {})["a"]


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
    engine = _engine()
    for measured_gb, known_gb in ((2.0, 2.0), (0.5, 2.0), (3.0, 3.0)):
        engine.measured(measured_gb)
        assert engine.state.memory_gb == known_gb


def test_configured_memory_is_not_measured() -> None:
    engine = _engine(memory_gb=1.0)
    engine.measured(9.0)
    assert engine.state.memory_gb == 1.0


def test_an_engine_has_a_queue_for_each_of_its_experts() -> None:
    specs = {"a": _spec(max_in_flight=3), "tuned": _spec(adapter_of="a", max_in_flight=2)}
    engine = hosted_engines(specs, {})["a"]
    assert engine.queue.experts == ("a", "tuned")
    assert engine.state.max_in_flight == 5
