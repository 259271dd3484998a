"""What to load for each expert, and how much memory that is taken to need."""

import json
from typing import Any

import httpx
import pytest

from experts.footprint.device import Device
from experts.spec import TorchSpec, VllmSpec
from experts.vllm.loads import EngineLoad, Limits
from orchestrator.config.slots_section import SlotsConfig
from orchestrator.residency.canary import Canary, alike
from orchestrator.residency.engines import HostedEngine, hosted_engines, planned_loads

CPU = Device("cpu", bf16=False)


def _spec(**keys: Any) -> VllmSpec:
    return VllmSpec(type="vllm", **{"model": "org/model", **keys})


def _engine(**keys: Any) -> HostedEngine:
    return hosted_engines({"a": _spec(**keys)}, SlotsConfig(), CPU)["a"]


def _loads(specs: dict[str, Any], **engine_args: Any) -> dict[str, EngineLoad]:
    planned = planned_loads(specs, SlotsConfig(engine_args=engine_args), CPU)
    return {name: load for name, (load, _) in planned.items()}


def test_an_adapter_rides_along_with_its_base() -> None:
    loads = _loads({"base": _spec(), "adapter": _spec(model="/adapter", adapter_of="base")})
    assert list(loads) == ["base"]
    assert loads["base"].experts == ("base", "adapter")
    assert loads["base"].adapters == {"adapter": "/adapter"}


def test_a_role_of_an_expert_needs_no_load_of_its_own() -> None:
    role = _spec(same_as="base", system="Be short.")
    loads = _loads({"base": _spec(), "role": role, "tuned": _spec(adapter_of="base")})
    assert list(loads) == ["base"]
    assert loads["base"].experts == ("base", "role", "tuned")
    assert loads["base"].aliases == ("role",)
    assert list(loads["base"].adapters) == ["tuned"]


def test_an_experts_engine_arguments_override_those_of_the_slots() -> None:
    hosted = {"a": _spec(engine_args={"max_model_len": 64})}
    args = _loads(hosted, max_model_len=1024, dtype="float32")["a"].engine_args
    assert args["max_model_len"] == 64
    assert args["dtype"] == "float32"


def test_memory_is_what_is_configured_or_else_what_is_derived() -> None:
    loads = _loads({"said": _spec(memory_gb=2.5), "derived": _spec()})
    assert loads["said"].memory_gb == 2.5
    assert 0 < loads["derived"].memory_gb < 1


def test_an_engine_in_torch_has_its_bound_alone() -> None:
    loads = _loads({"a": TorchSpec(type="torch", model="/fused", max_num_seqs=3)})
    assert loads["a"].kind == "torch"
    assert loads["a"].engine_args == {"max_num_seqs": 3}


@pytest.mark.parametrize(("length", "said"), [(8192, False), (4096, True)])
def test_a_context_that_fell_to_what_fits_is_told(length: int, said: bool) -> None:
    engine = _engine(engine_args={"max_model_len": 8192})
    engine.limits = Limits("float32", length, 5000)
    assert ("4,096 of the model's 8,192" in engine.shortened()) is said


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
    engine = hosted_engines(specs, SlotsConfig(), CPU)["a"]
    assert engine.queue.experts == ("a", "tuned")
    assert engine.state.max_in_flight == 5


def test_a_measurement_below_what_it_will_fill_does_not_count() -> None:
    engine = _engine()
    engine.measured(0.01)
    assert engine.state.memory_gb == engine.footprint.lasting_gb


def test_an_embedder_gets_the_runner_that_pools_and_its_short_context_is_no_news() -> None:
    engine = _engine(task="embed")
    assert engine.embeds
    assert engine.load.engine_args["runner"] == "pooling"
    engine.limits = Limits("float32", 1, 0)
    assert engine.shortened() == ""
    assert not _engine().embeds


# The first prompt of one that embeds.


def _canary(answer: Any, asked: list[httpx.Request]) -> Canary:
    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=answer)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return Canary(client, tokens=4, timeout_s=1.0)


async def test_an_embedder_is_asked_for_an_embedding() -> None:
    asked: list[httpx.Request] = []
    canary = _canary({"data": [{"embedding": [0.6, 0.8]}]}, asked)
    assert await canary.embed("http://slot/e/v", "v", {}) == (0.6, 0.8)
    assert asked[0].url.path == "/e/v/v1/embeddings"
    assert json.loads(asked[0].content)["model"] == "v"


@pytest.mark.parametrize("answer", [{}, {"data": []}, {"data": [{"embedding": None}]}, []])
async def test_an_embedder_that_gives_none_is_not_well(answer: Any) -> None:
    with pytest.raises(RuntimeError, match="first prompt"):
        await _canary(answer, []).embed("http://slot/e/v", "v", {})


@pytest.mark.parametrize(
    ("first", "again", "same"),
    [
        ("song", "song", True),
        ("song", "sang", False),
        ((1.0, 0.0), (1.0, 1e-3), True),
        ((1.0, 0.0), (0.9, 0.4), False),
        ((1.0, 0.0), (1.0, 0.0, 0.0), False),
        ((1.0,), "song", False),
    ],
)
def test_texts_must_be_equal_and_vectors_point_the_same_way(
    first: Any, again: Any, same: bool
) -> None:
    assert alike(first, again) is same


def test_an_engine_orders_its_requests_unless_the_configuration_says_otherwise() -> None:
    own = {"scheduling_policy": "fcfs"}
    loads = _loads({"a": _spec(), "b": _spec(engine_args=own)})
    assert loads["a"].engine_args["scheduling_policy"] == "priority"
    assert loads["b"].engine_args["scheduling_policy"] == "fcfs"
