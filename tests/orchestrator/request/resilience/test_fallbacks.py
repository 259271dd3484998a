"""Who is asked in place of an expert that fails, and what is told of that."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from experts.errors import (
    BadOutput,
    ExpertError,
    ExpertLost,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
    ExpertUnavailable,
)
from experts.types import Request
from orchestrator.request.compositions import Compositions
from orchestrator.request.context import RequestContext, RequestOptions
from orchestrator.request.plan import AskExpert
from orchestrator.request.resilience.fallbacks import another_may_do_better
from orchestrator.request.tracing.trace import Trace
from routers.base import Decision

HOSTED = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}


class Ranked:
    """Always these experts, in this order."""

    name = "one"

    def __init__(self, *experts: str) -> None:
        self._experts = experts

    def route(self, requests: Sequence[Any]) -> list[Decision]:
        scores = tuple((name, 0.9 - n / 10) for n, name in enumerate(self._experts))
        return [Decision("one", scores, "It is a riddle.") for _ in requests]


@pytest.fixture
def ranked(serve: Any, upstream: Any) -> Any:
    """Starts a gateway with the experts a, b and c, of one server, which the router ranks so."""

    async def start(
        more: dict[str, Any] | None = None, order: Sequence[str] = (), **sections: Any
    ) -> Any:
        remote = {"type": "openai", "base_url": upstream.base_url}
        experts = {name: {**remote, "model": f"{name}-model"} for name in "abc"} | (more or {})
        return await serve(
            experts,
            routers={"one": Ranked(*(order or (*(more or {}), *"abc")))},
            **{"server": {"retries": 0}, **sections},
        )

    return start


def _each(**scripts: str) -> str:
    return "\n".join(f"{name}-model: {script}" for name, script in scripts.items())


async def _metric(gateway: Any, line: str) -> bool:
    return line in (await gateway.http.get("/metrics")).text


async def test_the_next_by_the_routers_scores_answers_and_says_so(ranked: Any) -> None:
    gateway = await ranked()
    script = _each(a="drop", b="say from b", c="say from c")
    answer = await gateway.chat(script, "pool/auto", coterie={"explain": True})
    told = answer.json()["coterie"]
    assert answer.json()["choices"][0]["message"]["content"] == "from b"
    assert answer.headers["x-coterie-expert"] == told["expert"] == "b"
    assert answer.headers["x-coterie-fallback"] == told["fallback"] == "expert_lost"
    assert told["failed"] == {"a": "expert_lost"}
    assert (told["preferred"], told["quality_cost"]) == ("a", pytest.approx(0.1))
    assert told["reason"] == "a failed and is left out. It is a riddle."
    labels = 'preferred="a",reason="expert_lost",router="one"'
    assert await _metric(gateway, f"coterie_fallbacks_total{{{labels}}} 1.0")
    record = (await gateway.http.get(f"/coterie/requests/{answer.headers['x-request-id']}")).json()
    assert [(one["expert"], one["error"]) for one in record["calls"]] == [
        ("a", "expert_lost"),
        ("b", None),
    ]


async def test_a_stream_falls_back_before_its_first_token_alone(ranked: Any) -> None:
    gateway = await ranked()
    early = await gateway.chat(_each(a="drop", b="stream 2"), "pool/auto", stream=True)
    assert early.headers["x-coterie-expert"] == "b"
    assert '"error"' not in early.text
    late = await gateway.chat(_each(a="cut", b="stream 2"), "pool/auto", stream=True)
    assert late.headers["x-coterie-expert"] == "a"
    assert '"code": "expert_lost"' in late.text


async def test_as_many_are_asked_as_may_be_and_the_first_error_is_told(ranked: Any) -> None:
    script = _each(a="refuse broken", b="drop", c="say from c")
    gateway = await ranked(compositions={"pool/auto": {"router": "one", "fallbacks": 1}})
    answer = await gateway.chat(script, "pool/auto")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "expert_refused")
    assert answer.json()["error"]["source"] == "a"
    more = await ranked()
    assert (await more.chat(script, "pool/auto")).headers["x-coterie-expert"] == "c"


async def test_what_the_client_did_wrong_is_its_own(ranked: Any) -> None:
    gateway = await ranked()
    answer = await gateway.chat(_each(a="refuse field", b="say from b"), "pool/auto")
    assert (answer.status_code, answer.json()["error"]["source"]) == (400, "a")


async def test_an_expert_asked_by_its_name_is_never_another_one(ranked: Any) -> None:
    gateway = await ranked()
    answer = await gateway.chat(_each(a="drop", b="say from b"), "a")
    assert (answer.status_code, answer.json()["error"]["source"]) == (502, "a")


async def test_who_cannot_do_what_is_asked_is_passed_over(ranked: Any, upstream: Any) -> None:
    mute = HOSTED | {"engine_args": {"enable_auto_tool_choice": False}}
    slots = {"preload": False, "canary_tokens": 0}
    gateway = await ranked({"mute": mute}, order=("a", "mute", "b"), slots=slots)
    tool = {"type": "function", "function": {"name": "add"}}
    script = _each(a="drop", b="say from b")
    answer = await gateway.chat(script, "pool/auto", tools=[tool])
    assert answer.headers["x-coterie-expert"] == "b"
    assert answer.json()["coterie"]["failed"] == {"a": "expert_lost", "mute": "invalid_request"}
    alone = await gateway.chat(_each(a="drop", b="drop"), "pool/auto", tools=[tool])
    assert (alone.status_code, alone.json()["error"]["source"]) == (502, "a")


async def test_a_role_is_one_of_that_expert_alone(ranked: Any, upstream: Any) -> None:
    """Another expert has no such member, or one that means something else."""
    gateway = await ranked()
    request = Request("r-1", "chat/completions", {"messages": []})
    context = RequestContext(request, "pool/auto", options=RequestOptions(role="draft"))
    composition = Compositions(gateway.context.config).find("pool/auto")
    lost = ExpertLost("It broke.", expert="a")
    asked = len(upstream.bodies)
    fallbacks = gateway.pipeline._fallbacks
    with pytest.raises(ExpertLost):
        await fallbacks.instead(context, Trace(), composition, AskExpert("a"), lost)
    assert len(upstream.bodies) == asked


async def test_a_full_queue_sends_a_request_to_the_next(ranked: Any, upstream: Any) -> None:
    full = {"type": "openai", "base_url": upstream.base_url, "model": "full-model"}
    gateway = await ranked({"full": {**full, "max_in_flight": 1, "max_queued": 0}})
    first = asyncio.create_task(gateway.chat("silent in-the-way", "full"))
    await upstream.saw("began in-the-way")
    answer = await gateway.chat("x", "pool/auto")
    assert answer.headers["x-coterie-expert"] == "a"
    assert answer.headers["x-coterie-fallback"] == "expert_overloaded"
    upstream.release("in-the-way")
    await first


async def test_an_expert_that_cannot_be_loaded_is_replaced_in_the_same_request(ranked: Any) -> None:
    gateway = await ranked({"hosted": HOSTED}, slots={"preload": False, "canary_tokens": 0})
    gateway.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    answer = await gateway.chat("x", "pool/auto")
    assert answer.headers["x-coterie-expert"] == "a"
    assert answer.headers["x-coterie-fallback"] == "expert_unavailable"


async def test_a_breaker_that_is_open_saves_the_composition_the_call(
    ranked: Any, upstream: Any
) -> None:
    breaker = {"failures": 2, "open_s": 60, "open_max_s": 60}
    gateway = await ranked(server={"retries": 0, "breaker": breaker})
    script = _each(a="drop", b="say from b")
    for _ in range(2):
        assert (await gateway.chat(script, "a")).status_code == 502
    refused = await gateway.chat(script, "a")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "expert_paused")
    assert 40 < int(refused.headers["retry-after"]) <= 60
    asked = upstream.asked["drop"]
    answer = await gateway.chat(script, "pool/auto", coterie={"explain": True})
    assert answer.headers["x-coterie-expert"] == "b"
    assert answer.headers["x-coterie-fallback"] == "expert_paused"
    assert answer.json()["coterie"]["reason"].startswith("a kept failing and is left out.")
    assert upstream.asked["drop"] == asked
    assert await _metric(gateway, 'coterie_breaker_state{expert="a"} 2.0')
    assert await _metric(gateway, 'coterie_breaker_opened_total{expert="a"} 1.0')
    shown = (await gateway.http.get("/coterie/pool")).json()["breakers"]
    assert (shown["a"]["state"], shown["b"]["state"]) == ("open", "closed")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_panel_goes_without_an_expert_whose_breaker_is_open(
    ranked: Any, stream: bool
) -> None:
    vote = {"router": "one", "aggregator": {"type": "vote", "answer": "text"}, "experts": 2}
    gateway = await ranked(
        server={"retries": 0, "breaker": {"failures": 2, "open_s": 60}},
        compositions={"pool/vote": vote},
    )
    script = _each(a="drop", b="say 4", c="say 4")
    for _ in range(2):
        await gateway.chat(script, "a")
    answer = await gateway.chat(script, "pool/vote", stream=stream, coterie={"explain": True})
    assert answer.status_code == 200
    assert "a kept failing and is left out." in answer.text


async def test_feedback_is_about_the_expert_that_has_answered(ranked: Any) -> None:
    gateway = await ranked()
    answer = await gateway.chat(_each(a="drop", b="say from b"), "pool/auto")
    body = {"request_id": answer.headers["x-request-id"], "score": 1.0}
    assert (await gateway.http.post("/coterie/feedback", json=body)).json()["expert"] == "b"


@pytest.mark.parametrize(
    ("error", "online", "batch"),
    [
        (BadOutput("No JSON.", expert="a"), True, True),
        (ExpertUnavailable("It is too large.", expert="a"), True, True),
        (ExpertOverloaded("Full.", expert="a"), True, False),
        (ExpertPaused("It failed.", expert="a", retry_after_s=1.0), True, False),
        (ExpertRefused("Slow down.", expert="a", status=429, body={}), True, False),
        (ExpertRefused("No.", expert="a", status=422, body={}), False, False),
    ],
)
def test_a_line_of_a_batch_waits_for_the_better_one(
    error: ExpertError, online: bool, batch: bool
) -> None:
    assert another_may_do_better(error, patient=False) is online
    assert another_may_do_better(error, patient=True) is batch
