"""Limits of keys over HTTP: what is refused and how, what is told, and what is charged."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

HI = [{"role": "user", "content": "stream 3"}]
NOON = 1_800_000_000.0 - 1_800_000_000 % 86400 + 43200
"""A whole minute."""


@pytest.fixture
def limited(serve: Any) -> Any:
    """Serves with one key, `ann`, of such terms; its clock stands."""

    async def start(experts: Any = None, **terms: Any) -> Any:
        gateway = await serve(experts, server={"api_keys": {"ann": {"key": "sk-ann", **terms}}})
        gateway.counters.clock = lambda: NOON
        gateway.http.headers["authorization"] = "Bearer sk-ann"
        return gateway

    return start


def remaining(answer: Any, kind: str = "tokens") -> int:
    return int(answer.headers[f"x-ratelimit-remaining-{kind}"])


async def left(gateway: Any) -> int:
    """Tokens, once everything is over."""
    await gateway.settled()
    return remaining(await gateway.http.get("/v1/models"))


async def test_requests_per_minute(limited: Any) -> None:
    gateway = await limited(requests_per_minute=2)
    first, second, third = [await gateway.chat("stream 3") for _ in range(3)]
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    assert third.json()["error"] == {
        "message": "Rate limit reached for the key `ann`: limit 2 requests per minute, 0 left,"
        " requested 1. Please try again in 1m0s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
        "source": "coterie",
    }
    assert third.headers["retry-after"] == "60"
    told = [{k: v for k, v in one.headers.items() if "ratelimit" in k} for one in (first, third)]
    assert told[0] == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "1m0s",
    }
    assert told[1]["x-ratelimit-remaining-requests"] == "0"
    gateway.counters.clock = lambda: NOON + 60
    assert (await gateway.chat("stream 3")).status_code == 200


async def test_openais_client_waits_as_long_as_it_is_told_and_asks_again(limited: Any) -> None:
    gateway = await limited(requests_per_minute=1)
    gateway.counters.clock = lambda: NOON + 59.5
    seen: list[str] = []

    async def next_minute(response: httpx2.Response) -> None:
        if response.status_code == 429:
            seen.append(response.headers["retry-after"])
            gateway.counters.clock = lambda: NOON + 60

    http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [next_minute]})
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.base_url}/v1", api_key="sk-ann", max_retries=1, http_client=http
    ) as client:
        for _ in range(2):
            await client.chat.completions.create(model="tiny", messages=HI)
        assert seen == ["1"]
        with pytest.raises(openai.RateLimitError) as caught:
            await client.with_options(max_retries=0).chat.completions.create(
                model="tiny", messages=HI
            )
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"


async def test_openais_client_does_not_ask_again_for_a_quota(limited: Any) -> None:
    gateway = await limited(tokens_per_day=300)
    for tokens, wanted in ((200, 200), (280, 200), (290, 429)):
        answer = await gateway.chat("stream 3", max_tokens=tokens)
        assert (tokens, answer.status_code) == (tokens, wanted)
    assert answer.json()["error"]["type"] == "insufficient_quota"
    assert answer.headers["retry-after"] == "43200"
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.base_url}/v1", api_key="sk-ann", max_retries=5
    ) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="tiny", messages=HI, max_tokens=290)
    assert caught.value.code == "insufficient_quota"


@pytest.mark.parametrize("limit", ["tokens_per_day", "tokens_per_minute"])
async def test_it_is_told_that_a_smaller_bound_would_fit(limited: Any, limit: str) -> None:
    gateway = await limited(**{limit: 200})
    assert (await gateway.chat("stream 3", max_tokens=50)).status_code == 200
    await gateway.settled()
    refused = await gateway.chat("stream 3")  # Nobody has said how long the answer may be.
    message = refused.json()["error"]["message"]
    assert "192 left, requested 200 (the prompt as estimated, and the longest answer)" in message
    assert message.endswith(
        "Or set `max_tokens`: without it, 194 tokens are counted for the answer."
    )
    refused = await gateway.chat("stream 3", max_tokens=190)
    assert "Or set a smaller `max_tokens`" in refused.json()["error"]["message"]
    assert (await gateway.chat("stream 3", max_tokens=186)).status_code == 200
    await gateway.settled()
    long = await gateway.chat("x" * 760, max_tokens=1)  # 194 tokens, and 184 are left.
    assert long.status_code == 429
    assert "max_tokens`" not in long.json()["error"]["message"]


async def test_tokens_are_reserved_and_then_corrected(limited: Any) -> None:
    gateway = await limited(tokens_per_minute=1000)
    answer = await gateway.chat("stream 3", max_tokens=100)
    assert remaining(answer) == 1000 - 100 - 6  # Of "stream 3", as guessed by its letters.
    assert await left(gateway) == 1000 - 8
    large = await gateway.chat("stream 3", max_tokens=1000)
    assert large.status_code == 429
    assert "Request too large" in large.json()["error"]["message"]
    assert "992 left, requested 1006 (the prompt" in large.json()["error"]["message"]
    assert large.headers["x-should-retry"] == "false"
    assert "retry-after" not in large.headers
    assert (await gateway.chat("stream 3", max_tokens=980)).status_code == 200
    assert await left(gateway) == 1000 - 16


async def test_a_request_without_a_bound_is_not_too_large(limited: Any) -> None:
    gateway = await limited(tokens_per_minute=50)
    assert (await gateway.chat("stream 3")).status_code == 200
    assert await left(gateway) == 50 - 8


@pytest.mark.parametrize(
    ("script", "body", "tokens"),
    [
        ("stream 20", {"stream_options": {"include_usage": True}}, 8),  # As the engine counts.
        # Else the prompt as guessed, and the events; the last two of them have no token.
        ("stream 20", {}, 7 + 22),
        ("cut", {}, 5 + 4),  # Two that came, and the error's event and [DONE].
        ("refuse field", {}, 0),
        ("drop", {}, 0),
    ],
)
async def test_streams_are_charged_what_they_used(
    limited: Any, script: str, body: Any, tokens: int
) -> None:
    gateway = await limited(tokens_per_minute=1000)
    answer = await gateway.chat(script, stream=True, max_tokens=500, **body)
    assert remaining(answer) <= 500
    assert await left(gateway) == 1000 - tokens


async def test_a_client_that_leaves_pays_for_what_it_got(limited: Any, upstream: Any) -> None:
    gateway = await limited(tokens_per_minute=1000)
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "hold left-early"}]}
    body = {**asked, "stream": True, "max_tokens": 500}
    async with gateway.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        await anext(answer.aiter_bytes())
    await upstream.saw("aborted left-early")
    assert await left(gateway) == 1000 - 8 - 1


async def test_requests_at_once(limited: Any, upstream: Any) -> None:
    gateway = await limited(max_in_flight=1)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hold one-way"}]}
    asked = gateway.http.stream("POST", "/v1/chat/completions", json={**body, "stream": True})
    async with asked as answer:
        await anext(answer.aiter_bytes())
        second = await gateway.chat("stream 3")
        assert second.status_code == 429
        assert second.headers["retry-after"] == "1"
        assert "max_in_flight" in second.json()["error"]["message"]
    await gateway.settled()
    assert (await gateway.chat("stream 3")).status_code == 200


async def test_the_price_of_a_day(limited: Any, upstream: Any) -> None:
    dear = {"type": "openai", "base_url": upstream.base_url, "model": "m", "price_usd_per_mtok": 10}
    gateway = await limited({"dear": dear}, price_per_day=100e-6)
    # 8 tokens each, at 10 millionths of a dollar.
    statuses = [(await gateway.chat("stream 3", "dear")).status_code for _ in range(2)]
    assert statuses == [200, 429]
    assert (await gateway.chat("stream 3", "tiny")).status_code == 200  # It costs nothing.


async def test_engines_own_endpoints_and_embeddings_count_as_requests(limited: Any) -> None:
    gateway = await limited(requests_per_minute=2)
    body = {"prompt": "x"}
    answers = [await gateway.http.post("/e/tiny/tokenize", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    own = {"model": "coterie/embed", "input": "x"}
    assert (await gateway.http.post("/v1/embeddings", json=own)).status_code == 429


async def test_a_key_without_limits_costs_the_store_nothing(
    limited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await limited()

    async def fail(*_: Any) -> None:
        raise AssertionError("the store is asked")

    for name in ("draw", "get", "change", "items", "put"):
        monkeypatch.setattr(gateway.counters.store, name, fail)
    answer = await gateway.chat("stream 3")
    assert answer.status_code == 200
    assert not [name for name in answer.headers if "ratelimit" in name]


async def test_errors_of_a_limited_key_tell_what_is_left(limited: Any) -> None:
    gateway = await limited(requests_per_minute=5, tokens_per_day=700)
    for path, sent in (
        ("/v1/chat/completions", b"{"),
        ("/v1/nothing", b""),
        ("/e/no/v1/completions", b"{}"),
    ):
        answer = await gateway.http.post(path, content=sent)
        assert answer.status_code in (400, 404)
        assert (remaining(answer), remaining(answer, "requests")) == (700, 5)
    stream = await gateway.chat("stream 3", stream=True)
    assert stream.headers["x-ratelimit-limit-tokens"] == "700"
    assert json.loads(stream.text.split("\n\n")[0].removeprefix("data: "))
