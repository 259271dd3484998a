"""The last requests are remembered, within bounds, and for their own key alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import UnknownObject
from experts.types import Request
from orchestrator.config.telemetry.section import RecentConfig
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.recent import RecentRequests
from orchestrator.request.tracing.trace import Trace

KEYS = {"api_keys": {"ann": {"key": "k-ann"}, "bob": {"key": "k-bob", "admin": True}}}


def _context(request_id: str, key: str | None = None, text: str = "") -> RequestContext:
    body = {"messages": [{"role": "user", "content": text}]}
    request = Request(request_id, "chat/completions", body)
    return RequestContext(request, "tiny", api_key_name=key)


ASKED = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, "k"]), st.integers(0, 3000))
)


@given(ASKED, st.integers(0, 4), st.sampled_from([0.0, 0.004, 1.0]))
def test_the_newest_are_kept_within_both_bounds(
    asked: list[tuple[str, str | None, int]], remember: int, remember_mb: float
) -> None:
    recent = RecentRequests(RecentConfig(remember=remember, remember_mb=remember_mb, contents=True))
    for request_id, key, length in asked:
        recent.write(_context(request_id, key, "x" * length), Trace())
        assert recent.size <= remember_mb * (1 << 20)
    newest = list(dict.fromkeys((name, key) for name, key, _ in reversed(asked)))
    found = [asker for asker in newest if _found(recent, *asker)]
    assert found == newest[: len(found)]
    assert len(found) <= remember
    if remember_mb == 1.0:
        assert len(found) == min(remember, len(newest))


def _found(recent: RecentRequests, request_id: str, key: str | None) -> bool:
    try:
        return recent.find(request_id, key)["id"] == request_id
    except UnknownObject:
        return False


def test_contents_are_kept_only_where_that_is_configured() -> None:
    for contents in (False, True):
        recent = RecentRequests(RecentConfig(contents=contents))
        recent.write(_context("r", text="the question"), Trace())
        assert ("the question" in json.dumps(recent.find("r", None))) == contents


async def test_a_client_asks_what_happened_to_its_request(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    headers = {"x-request-id": "mine-1", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    body = {"model": "pool/auto", "messages": [{"role": "user", "content": "drop-once recent"}]}
    await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    await gateway.settled()
    found = (await gateway.http.get("/coterie/requests/mine-1")).json()
    assert (found["id"], found["model"], found["expert"]) == ("mine-1", "pool/auto", "tiny")
    assert (found["router"], found["scores"], found["status"]) == ("one", {"tiny": 1.0}, 200)
    assert found["trace_id"] == "1" * 32
    assert found["request"] is None
    first, second = found["calls"]
    assert (first["error"], second["error"]) == ("expert_lost", None)
    assert second["usage"] == {"prompt_tokens": 5, "completion_tokens": 3}
    assert 0 <= first["began_at_ms"] <= second["first_at_ms"] <= second["ended_at_ms"]
    assert second["ended_at_ms"] <= found["times"]["total_ms"]
    assert len(found["retried"]) == 1


async def test_a_panels_calls_are_all_there(serve: Any, upstream: Any) -> None:
    tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    vote = {"router": "one", "aggregator": {"type": "vote", "answer": "text"}}
    gateway = await serve({"other": tiny}, compositions={"pool/vote": vote})
    asked = {"coterie": {"experts": ["tiny", "other"]}}
    answer = await gateway.chat("x", "pool/vote", **asked)
    await gateway.settled()
    request_id = answer.headers["x-request-id"]
    found = (await gateway.http.get(f"/coterie/requests/{request_id}")).json()
    assert sorted(call["expert"] for call in found["calls"]) == ["other", "tiny"]
    assert all(call["usage"]["completion_tokens"] == 3 for call in found["calls"])
    assert (found["aggregator"], found["panel"]) == ("vote", ["tiny", "other"])


@pytest.mark.parametrize(("key", "status"), [("k-ann", 200), ("k-bob", 404), ("wrong", 401)])
async def test_another_keys_request_does_not_exist(serve: Any, key: str, status: int) -> None:
    gateway = await serve(server=KEYS)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}]}
    headers = {"x-request-id": "own-1", "authorization": "Bearer k-ann"}
    await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    await gateway.settled()
    asking = {"authorization": f"Bearer {key}"}
    answer = await gateway.http.get("/coterie/requests/own-1", headers=asking)
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["error"]["code"] == "not_found"
