"""One request through the pipeline: names, routing, retries, and what a trace remembers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from experts.errors import ExpertLost, ExpertRefused, ExpertTimeout, RoutingError, UnknownModel
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.request.answer import StartedAnswer
from orchestrator.request.compositions import Compositions
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.presentation import headers
from orchestrator.request.tracing.trace import Trace
from routers.base import Decision

HOSTED = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}
# The scripted upstream, which stands in for the slots, has no known answer to give.
UNCHECKED = {"canary_tokens": 0}


def _request(script: str, **body: Any) -> Request:
    messages = [{"role": "user", "content": script}]
    return Request("r-1", "chat/completions", {"messages": messages, **body})


@asynccontextmanager
async def _answer(
    gateway: Any, script: str, model: str = "tiny", trace: Trace | None = None, **body: Any
) -> AsyncIterator[StartedAnswer]:
    context = RequestContext(_request(script, **body), model)
    async with await gateway.pipeline.answer(context, trace or Trace()) as answer:
        yield answer


async def _whole(answer: StartedAnswer) -> bytes:
    return answer.first + b"".join([piece async for piece in answer.rest])


async def test_a_named_expert_is_asked_without_routing(gateway: Any) -> None:
    trace = Trace()
    async with _answer(gateway, "stream 1", trace=trace):
        assert trace.decision is None
        assert trace.plan.expert == "tiny"


async def test_a_composition_asks_its_router(gateway: Any) -> None:
    trace = Trace()
    async with _answer(gateway, "stream 1", "pool/auto", trace=trace):
        assert trace.decision.router == "one"
        assert (
            headers(RequestContext(_request("x"), "pool/auto"), trace)["x-coterie-router"] == "one"
        )
        assert (
            headers(RequestContext(_request("x"), "pool/auto"), trace)["x-coterie-expert"] == "tiny"
        )


class Torn:
    """Finds the cold expert a little better."""

    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        scores = (("cold", 0.92), ("tiny", 0.9))
        return [Decision("one", scores, "It is a riddle.") for _ in requests]


@pytest.mark.parametrize(("price", "expected"), [(0.0, "cold"), (0.001, "cold"), (0.1, "tiny")])
async def test_a_load_counts_as_much_as_its_price(
    serve: Any, monkeypatch: pytest.MonkeyPatch, price: float, expected: str
) -> None:
    gateway = await serve(
        {"cold": HOSTED},
        routers={"one": Torn()},
        slots={"preload": False, **UNCHECKED},
        compositions={"pool/auto": {"router": "one", "load_price": price}},
    )
    delays = {"cold": 2.0, "tiny": 0.0}
    monkeypatch.setattr(gateway.pool, "delay_s", delays.__getitem__)
    answer = await gateway.chat("x", "pool/auto", coterie={"explain": True})
    told = answer.json()["coterie"]
    assert (answer.headers["x-coterie-expert"], told["preferred"]) == (expected, "cold")
    if expected == "tiny":
        assert (told["quality_cost"], told["saved_s"]) == (0.02, 2.0)
        assert told["reason"].startswith("tiny scored 0.02 less than cold, which would take 2.0 s")
    else:
        assert (told["quality_cost"], told["saved_s"]) == (0.0, 0.0)


async def test_without_a_price_nobody_asks_for_delays(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await serve()
    monkeypatch.setattr(gateway.pool, "delay_s", None)
    assert (await gateway.chat("x", "pool/auto")).status_code == 200


async def test_the_pool_says_what_a_request_waits_for(serve: Any) -> None:
    gateway = await serve({"hosted": HOSTED}, slots={"preload": False, **UNCHECKED})
    trace = Trace()
    assert trace.doing() == "choosing an expert"
    gateway.slots[0].hold("hosted")
    context = RequestContext(_request("hold busy", stream=True), "hosted", "batch")
    asking = asyncio.create_task(gateway.pipeline.answer(context, trace))
    await gateway.slots[0].saw("load hosted")
    assert trace.doing().startswith("loading hosted")
    gateway.slots[0].release("hosted")
    async with await asking:
        assert trace.doing() == "hosted has the request"


async def test_an_unknown_model_lists_the_known_ones(gateway: Any) -> None:
    with pytest.raises(UnknownModel, match="`other` does not exist") as caught:
        await gateway.pipeline.answer(RequestContext(_request("x"), "other"), Trace())
    assert caught.value.hint.startswith("Known models: pool/auto, tiny; also pool/ROUTER and pool/")


def test_a_pool_without_routers_offers_none() -> None:
    remote = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
    alone = Compositions(Config.model_validate({"experts": {"tiny": remote}}))
    with pytest.raises(UnknownModel) as caught:
        alone.find("other")
    assert caught.value.hint == "Known models: tiny."


async def test_a_router_without_an_answer_is_a_routing_error(serve: Any) -> None:
    class Undecided:
        name = "one"

        def route(self, requests: Any) -> list[Decision]:
            return [Decision("one", (), "") for _ in requests]

    gateway = await serve(routers={"one": Undecided()})
    with pytest.raises(RoutingError, match="Router one scored no expert"):
        await gateway.pipeline.answer(RequestContext(_request("x"), "pool/auto"), Trace())


async def test_the_whole_body_comes_first_when_it_is_not_streamed(gateway: Any) -> None:
    async with _answer(gateway, "x") as answer:
        assert answer.first.startswith(b'{"id"')
        assert [piece async for piece in answer.rest] == []


async def test_a_stream_comes_in_pieces(gateway: Any) -> None:
    async with _answer(gateway, "stream 4", stream=True) as answer:
        assert answer.content_type == "text/event-stream"
        assert (await _whole(answer)).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_break_before_the_first_byte_is_tried_again(
    gateway: Any, upstream: Any, stream: bool
) -> None:
    script = f"drop-once pipeline-{stream}"
    trace = Trace()
    async with _answer(gateway, script, stream=stream, trace=trace):
        assert trace.attempts == 2
        assert len(trace.retried) == 1
        assert "tiny" in trace.retried[0]
    assert upstream.asked[script] == 2


async def test_tries_are_bounded(serve: Any, upstream: Any) -> None:
    gateway = await serve(server={"retries": 3})
    asked = upstream.asked["drop"]
    with pytest.raises(ExpertLost):
        async with _answer(gateway, "drop"):
            pass
    assert upstream.asked["drop"] - asked == 4


async def test_an_experts_own_failure_is_tried_again(gateway: Any, upstream: Any) -> None:
    asked = upstream.asked["refuse broken"]
    with pytest.raises(ExpertRefused):
        async with _answer(gateway, "refuse broken"):
            pass
    assert upstream.asked["refuse broken"] - asked == 2


async def test_a_refusal_is_not_tried_again(gateway: Any, upstream: Any) -> None:
    asked = upstream.asked["refuse field"]
    with pytest.raises(ExpertRefused):
        async with _answer(gateway, "refuse field"):
            pass
    assert upstream.asked["refuse field"] - asked == 1


async def test_a_break_in_mid_stream_is_raised_and_not_tried_again(
    gateway: Any, upstream: Any
) -> None:
    asked = upstream.asked["cut"]
    async with _answer(gateway, "cut", stream=True) as answer:
        with pytest.raises(ExpertLost, match="tiny"):
            await _whole(answer)
    assert upstream.asked["cut"] - asked == 1


async def test_leaving_the_answer_aborts_it(gateway: Any, upstream: Any) -> None:
    async with _answer(gateway, "hold leaving", stream=True):
        pass
    await upstream.saw("aborted leaving")


async def test_an_expert_that_is_not_loaded_in_time_is_a_timeout(serve: Any) -> None:
    gateway = await serve(
        {"hosted": HOSTED}, slots={"preload": False}, server={"lease_timeout_s": 0.05}
    )
    gateway.slots[0].hold("hosted")
    with pytest.raises(ExpertTimeout, match=r"hosted was not free and loaded within 0\.05 s"):
        async with _answer(gateway, "x", "hosted"):
            pass


@pytest.mark.parametrize("model", ["hosted", "pool/vote"])
async def test_who_is_patient_waits_for_an_expert_as_long_as_it_takes(
    serve: Any, model: str
) -> None:
    class ToHosted:
        name = "one"

        def route(self, requests: Any) -> list[Decision]:
            return [Decision("one", (("hosted", 1.0),), "") for _ in requests]

    vote = {"router": "one", "aggregator": {"type": "vote"}, "budget": {"seconds": 0.01}}
    gateway = await serve(
        {"hosted": HOSTED},
        slots={"preload": False, **UNCHECKED},
        server={"lease_timeout_s": 0.05},
        routers={"one": ToHosted()},
        compositions={"pool/vote": {**vote, "experts": 1, "deadline_s": 0.01}},
    )
    gateway.slots[0].hold("hosted")
    context = RequestContext(_request("x"), model, "batch", patient=True)
    asking = asyncio.create_task(gateway.pipeline.answer(context, Trace()))
    await gateway.slots[0].saw("load hosted")
    with pytest.raises(ExpertTimeout):
        async with _answer(gateway, "x", "hosted"):
            pass
    assert not asking.done()
    gateway.slots[0].release("hosted")
    async with await asking as answer:
        assert b"chat.completion" in answer.first


async def test_a_trace_tells_slot_and_load(serve: Any) -> None:
    gateway = await serve({"hosted": HOSTED}, slots={"preload": False, **UNCHECKED})
    trace = Trace()
    async with _answer(gateway, "x", "hosted", trace=trace):
        assert trace.slot == "slot-0"
        assert trace.load_ms > 0


async def test_an_engine_that_drops_a_request_and_is_not_healthy_is_loaded_again(
    serve: Any,
) -> None:
    # The upstream has no /health, so that the pool finds the engine broken.
    gateway = await serve({"hosted": HOSTED}, slots=UNCHECKED)
    trace = Trace()
    async with _answer(gateway, "drop-once hosted", "hosted", trace=trace):
        assert trace.attempts == 2
    assert gateway.slots[0].loads == ["hosted", "hosted"]


async def test_a_slot_that_dies_under_a_request_is_waited_for(serve: Any) -> None:
    gateway = await serve({"hosted": HOSTED}, slots=UNCHECKED)
    gateway.slots[0].die()
    async with _answer(gateway, "drop-once slot", "hosted") as answer:
        assert answer.first.startswith(b'{"id"')
    assert gateway.slots[0].starts == 2
