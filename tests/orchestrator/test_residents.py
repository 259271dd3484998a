"""The pool's books: what a slot's memory holds, and which engines there are."""

from pathlib import Path
from typing import Any

import pytest

from experts.spec import VllmSpec
from orchestrator.residents import DEFAULT_KV_CACHE_BYTES, GIB, SlotState, engine_states


class NamedSlot:
    """A slot of which only the name matters."""

    id = "slot-0"


def _spec(**keys: Any) -> VllmSpec:
    return VllmSpec(type="vllm", **{"model": "org/model", **keys})


def test_an_adapter_rides_along_with_its_base() -> None:
    hosted = {"base": _spec(), "adapter": _spec(model="/adapter", adapter_of="base")}
    states = engine_states(hosted, {})
    assert list(states) == ["base"]
    assert states["base"].load.experts == ("base", "adapter")
    assert states["base"].load.adapters == {"adapter": "/adapter"}


def test_an_experts_engine_arguments_override_those_of_the_slots() -> None:
    hosted = {"a": _spec(engine_args={"max_model_len": 64})}
    states = engine_states(hosted, {"max_model_len": 1024, "dtype": "float32"})
    assert states["a"].load.engine_args == {"max_model_len": 64, "dtype": "float32"}


def test_the_configured_memory_counts() -> None:
    assert engine_states({"a": _spec(memory_gb=1.5)}, {})["a"].memory_gb == 1.5


def test_without_it_memory_is_estimated_from_the_weights_and_the_cache(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    state = engine_states({"a": _spec(model=str(tmp_path))}, {})["a"]
    assert state.memory_gb == (2 * 1000 + DEFAULT_KV_CACHE_BYTES) / GIB


def test_the_configured_cache_counts_in_the_estimate() -> None:
    state = engine_states({"a": _spec()}, {"kv_cache_memory_bytes": 1 << 30})["a"]
    assert state.memory_gb == 1.0


@pytest.mark.parametrize("odd", [None, "2G", 1e9], ids=["null", "text", "float"])
def test_a_cache_size_that_only_vllm_understands_does_not_break_the_estimate(odd: Any) -> None:
    state = engine_states({"a": _spec()}, {"kv_cache_memory_bytes": odd})["a"]
    assert state.memory_gb > 0


def test_an_engine_is_idle_until_somebody_holds_it() -> None:
    engine = engine_states({"a": _spec()}, {})["a"]
    assert engine.idle.is_set()
    engine.acquire(1.0)
    engine.acquire(2.0)
    engine.release(3.0)
    assert not engine.idle.is_set()
    engine.release(4.0)
    assert engine.idle.is_set()
    assert engine.last_used == 4.0


def test_a_slots_view_shows_what_is_ready_there_and_what_is_reserved() -> None:
    here, elsewhere, loading = engine_states(
        {name: _spec(memory_gb=1) for name in ("here", "elsewhere", "loading")}, {}
    ).values()
    slot = SlotState(NamedSlot(), budget_gb=8, used_gb=3, reserved_gb=1)  # type: ignore[arg-type]
    here.slot, here.ready = slot, True
    loading.slot = slot
    view = slot.view([here, elsewhere, loading])
    assert (view.slot, view.free_gb) == ("slot-0", 4.0)
    assert [resident.engine for resident in view.residents] == ["here"]
