"""Whatever one server sends, the others' answers count, and its own failure has its name."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_upstream import (
    DONE,
    JSON,
    USAGE,
    OddUpstream,
    Sent,
    event,
    good,
    odd_upstream,
    said,
    whole,
)

from routers.base import Decision

NAMES = ("one", "two", "odd")
KEY = "s3cr3t-0f-the-pool"
ODD_EVENTS: tuple[Any, ...] = (
    None,
    7,
    [1],
    {"choices": ["x"]},
    {"choices": [{"delta": None}]},
    {"choices": [{"delta": "x"}]},
    said(7),
    said({"text": "7"}),
    said(None, "stop"),
    {"choices": [{"delta": {"reasoning_content": "hm"}, "finish_reason": "stop"}]},
    {"error": {"message": "it broke"}},
    {"error": "it broke"},
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "content",
                    "text",
                    "usage",
                    "logprobs",
                    "error",
                    "finish_reason",
                ]
            ),
            inner | st.lists(inner, max_size=2),
        )
    ),
    max_leaves=8,
)
FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Ordered:
    """All experts, in order."""

    name = "all"

    def route(self, requests: Any) -> list[Decision]:
        scores = tuple((name, 0.9 - number / 10) for number, name in enumerate(NAMES))
        return [Decision("one", scores, "In order.") for _ in requests]


@pytest.fixture(scope="module")
async def odd() -> AsyncIterator[OddUpstream]:
    async with odd_upstream() as upstream:
        upstream.sent = {"one": good("7"), "two": good("7"), "odd": good("7")}
        yield upstream


@pytest.fixture(scope="module")
async def gateway(odd: OddUpstream, serve: Any) -> Any:
    experts = {name: odd.spec(name, api_key=KEY) for name in NAMES}
    vote = {"type": "vote", "answer": "number", "stop_at": None}
    return await serve(
        experts,
        routers={"one": Ordered()},
        compositions={"pool/vote": {"router": "one", "aggregator": vote}},
    )


async def _vote(gateway: Any) -> dict[str, Any]:
    answer = await gateway.chat("3 + 4?", "pool/vote", coterie={"explain": True, "experts": 3})
    assert answer.status_code == 200, answer.text
    tree: dict[str, Any] = answer.json()
    assert tree["choices"][0]["message"]["content"] == "7"
    return tree["coterie"]


@pytest.mark.parametrize("tree", ODD_EVENTS, ids=str)
async def test_two_votes_count_and_the_third_has_failed_by_name(
    gateway: Any, odd: OddUpstream, tree: Any
) -> None:
    odd.sent["odd"] = Sent((event(tree), DONE))
    facts = (await _vote(gateway))["aggregation"]
    (failed,) = facts["failed"]
    assert "odd" in failed


@pytest.mark.parametrize(
    "sent",
    [
        Sent((b"data: not JSON\n\n", DONE)),
        Sent((b"data: \xff\xfe\n\n", DONE)),
        Sent(()),
        Sent((DONE,)),
        Sent((event(said("7")),)),
        Sent((b"<html>",), "text/html"),
        Sent((b"[]",), JSON),
        Sent((), JSON),
        Sent((b"{}",), JSON),
        Sent(
            (gzip.compress(event(said("7", "stop")), mtime=0),),
            headers={"content-encoding": "gzip"},
        ),
        Sent((), None, 302, {"location": "http://127.0.0.1:9/"}),
        Sent((b'{"error": {"message": "no"}}',), JSON, 401),
        Sent((b'{"error": {"message": "no"}}',), JSON, 500),
        whole(None),
    ],
    ids=lambda sent: f"{sent.status} {sent.kind} {sent.pieces[:1]}",
)
async def test_a_body_that_is_no_answer_costs_only_its_own_vote(
    gateway: Any, odd: OddUpstream, sent: Sent
) -> None:
    odd.sent["odd"] = sent
    (failed,) = (await _vote(gateway))["aggregation"]["failed"]
    assert "odd" in failed


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(trees=st.lists(TREES, max_size=3), tail=st.sampled_from([b"", DONE, b"data: {\n\n"]))
async def test_any_events_cost_only_their_own_vote(
    gateway: Any, odd: OddUpstream, trees: list[Any], tail: bytes
) -> None:
    odd.sent["odd"] = Sent((*map(event, trees), tail))
    await _vote(gateway)


@pytest.mark.parametrize(
    "sent",
    [
        Sent((event(said(["7"])), event(said(None, "stop")), DONE)),
        Sent((event(said([{"type": "text", "text": "7"}], "stop")),)),
        Sent((event({**said("7", "stop"), "error": None, "usage": {"completion_tokens": 1}}),)),
        Sent((event({**said("7", "stop"), "usage": {"prompt_tokens": None}}), DONE)),
        Sent((event(said("7\u2028 \x85", "stop")).replace(b"data: ", b"data:"),)),
        Sent((event(said("7", "stop")).replace(b"\n", b"\r"), DONE)),
        Sent(tuple(bytes([byte]) for byte in event(said("7", "stop")))),
        Sent((b"\xef\xbb\xbf: hi\n\nid: 1\nevent: message\n" + event(said("7", "stop")),)),
        Sent((event(said("7", "stop")),), None),
        whole("7"),
        whole(["7"]),
    ],
    ids=lambda sent: str(sent.pieces[0])[:60],
)
async def test_what_is_unusual_but_clear_is_a_vote(
    gateway: Any, odd: OddUpstream, sent: Sent
) -> None:
    odd.sent["odd"] = sent
    assert "failed" not in (await _vote(gateway))["aggregation"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "delta", [{"content": None}, {"reasoning_content": "x"}, {"content": " "}], ids=str
)
async def test_where_all_are_silent_it_is_said(
    gateway: Any, odd: OddUpstream, monkeypatch: pytest.MonkeyPatch, delta: Any, stream: bool
) -> None:
    silent = event({"choices": [{"delta": delta, "finish_reason": "stop"}]})
    monkeypatch.setattr(odd, "sent", dict.fromkeys(NAMES, Sent((silent, event(USAGE), DONE))))
    answer = await gateway.chat("3 + 4?", "pool/vote", stream=stream, coterie={"experts": 3})
    assert answer.status_code == (200 if stream else 502)
    assert "no_expert_answered" in answer.text
    assert all(f"{name} said nothing." in answer.text for name in NAMES)
    if stream:
        assert answer.text.endswith("data: [DONE]\n\n")


async def test_a_server_that_does_not_count_is_asked_once_and_its_tokens_are_estimated(
    serve: Any, odd: OddUpstream
) -> None:
    def strict(body: dict[str, Any]) -> Sent:
        if "stream_options" in body:
            return Sent((b'{"detail": [{"loc": ["body", "stream_options"]}]}',), JSON, 422)
        return Sent((event(said("7")), event(said("", "stop")), DONE))

    odd.sent["strict"] = strict
    vote = {"type": "vote", "answer": "number", "samples": 2, "stop_at": None}
    gateway = await serve(
        {"strict": odd.spec("strict")},
        routers={"one": _only("strict")},
        compositions={"pool/vote": {"router": "one", "aggregator": vote}},
    )
    options = {"explain": True, "experts": 1}
    for _ in range(2):
        answer = await gateway.chat("3 + 4?", "pool/vote", coterie=options)
        assert answer.json()["coterie"]["aggregation"]["usage_estimated"] == ["strict"]
        assert answer.json()["usage"]["completion_tokens"] == 2
    asked = ["stream_options" in body for body in odd.bodies["strict"]]
    assert (asked.count(False), asked[-2:]) == (4, [False, False])
    assert asked.count(True) <= 2  # Both samples of the first answer were under way.


def _only(name: str) -> Any:
    class Only:
        def route(self, requests: Any) -> list[Decision]:
            return [Decision(name, ((name, 1.0),), "Alone.") for _ in requests]

    only = Only()
    only.name = "one"  # type: ignore[attr-defined]
    return only
