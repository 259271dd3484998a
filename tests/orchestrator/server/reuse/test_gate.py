"""Requests with an `Idempotency-Key` over HTTP: they run once, and their retries get the answer."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

HELD = "tiny-model: silent {name}\nother-model: say {name}"
REPLAYED = "idempotency-replayed"


@pytest.fixture(scope="session")
async def panel(serve: Any, upstream: Any) -> Any:
    """A gateway with `pool/both`, a panel of two."""
    other = {"type": "openai", "base_url": upstream.base_url, "model": "other-model"}
    return await serve(
        {"other": other},
        routers=None,
        compositions={"pool/both": {"router": "one", "aggregator": "vote"}},
    )


async def post(gateway: Any, script: str, key: str, **more: Any) -> Any:
    path, headers = more.pop("path", "/v1/chat/completions"), more.pop("headers", {})
    body = {"model": "tiny", "messages": [{"role": "user", "content": script}], **more}
    return await gateway.http.post(path, json=body, headers={"idempotency-key": key, **headers})


def both(**more: Any) -> dict[str, Any]:
    return {"model": "pool/both", "coterie": {"experts": ["tiny", "other"]}, **more}


async def test_a_retry_gets_the_answer_of_the_first(gateway: Any, upstream: Any) -> None:
    first, again = [await post(gateway, "say once", "once") for _ in "12"]
    assert upstream.asked["say once"] == 1
    assert first.content == again.content
    assert first.status_code == again.status_code == 200
    assert first.headers["x-request-id"] == again.headers["x-request-id"]
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    other = await post(gateway, "say once", "other")
    assert upstream.asked["say once"] == 2
    assert REPLAYED not in other.headers


async def test_the_same_key_with_another_body_is_refused(gateway: Any, upstream: Any) -> None:
    await post(gateway, "say mine", "mine")
    for more in ({"temperature": 1}, {"path": "/e/tiny/v1/chat/completions"}):
        refused = await post(gateway, "say mine", "mine", **more)
        assert refused.status_code == 422
        assert refused.json()["error"]["code"] == "idempotency_key_reuse"
        assert refused.json()["error"]["param"] == "Idempotency-Key"
    assert upstream.asked["say mine"] == 1


async def test_a_retry_of_a_panel_waits_for_it(panel: Any, upstream: Any) -> None:
    script = HELD.format(name="panel")
    asking = [asyncio.create_task(post(panel, script, "panel", **both())) for _ in "1234"]
    await upstream.saw("began panel")
    refused = await post(panel, script, "panel", **both(temperature=0))
    assert refused.status_code == 422
    upstream.release("panel")
    answers = await asyncio.gather(*asking)
    assert len({one.content for one in answers}) == 1
    assert [one.status_code for one in answers] == [200] * 4
    assert sum(REPLAYED in one.headers for one in answers) == 3
    assert upstream.asked["silent panel"] == 1


async def test_a_panel_goes_on_when_its_client_has_left(panel: Any, upstream: Any) -> None:
    script = HELD.format(name="broken-off")
    first = asyncio.create_task(post(panel, script, "broken-off", **both()))
    await upstream.saw("began broken-off")
    first.cancel()
    await asyncio.wait([first])
    retry = asyncio.create_task(post(panel, script, "broken-off", **both()))
    upstream.release("broken-off")
    answer = await retry
    assert (answer.status_code, answer.headers[REPLAYED]) == (200, "true")
    await panel.settled()
    after = await post(panel, script, "broken-off", **both())
    assert after.content == answer.content
    assert upstream.asked["silent broken-off"] == upstream.asked["say broken-off"] == 1


async def test_a_stream_is_followed_and_then_given_as_one(gateway: Any, upstream: Any) -> None:
    chat = {"model": "tiny", "messages": [{"role": "user", "content": "hold key"}], "stream": True}
    headers = {"idempotency-key": "streamed"}
    asked = ("POST", "/v1/chat/completions")
    async with (
        gateway.http.stream(*asked, json=chat, headers=headers) as first,
        gateway.http.stream(*asked, json=chat, headers=headers) as second,
    ):
        pieces = first.aiter_bytes(), second.aiter_bytes()
        begun = [await anext(one) for one in pieces]
        assert begun[0] == begun[1] != b""
        upstream.release("key")
        whole = [
            start + b"".join([p async for p in rest])
            for start, rest in zip(begun, pieces, strict=True)
        ]
    after = await gateway.http.post("/v1/chat/completions", json=chat, headers=headers)
    assert whole[0] == whole[1] == after.content
    assert after.headers["content-type"].startswith("text/event-stream")
    assert upstream.asked["hold key"] == 1


@pytest.mark.parametrize(
    ("script", "more"),
    [("refuse broken", {}), ("refuse coded", {}), ("cut-error", {"stream": True})],
)
async def test_what_has_failed_runs_again(
    gateway: Any, upstream: Any, script: str, more: Any
) -> None:
    before = upstream.asked[script]
    first = await post(gateway, script, f"fails {script}", **more)
    once = upstream.asked[script] - before
    again = await post(gateway, script, f"fails {script}", **more)
    assert first.status_code == again.status_code
    assert REPLAYED not in again.headers
    assert upstream.asked[script] == before + 2 * once


@pytest.mark.parametrize(
    "headers",
    [
        [("idempotency-key", "")],
        [("idempotency-key", '""')],
        [("idempotency-key", "x" * 256)],
        [("idempotency-key", b"t\xc3\xa4st")],
        [("idempotency-key", "a\tb")],
        [("idempotency-key", "a"), ("idempotency-key", "a")],
    ],
)
async def test_a_key_that_is_none(gateway: Any, headers: Any) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "say x"}]}
    answer = await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "Idempotency-Key"
    assert answer.headers["x-request-id"]


async def test_quotes_are_no_part_of_a_key(gateway: Any, upstream: Any) -> None:
    for key in ("quoted", '"quoted"'):
        await post(gateway, "say quoted", key)
    assert upstream.asked["say quoted"] == 1


async def test_each_api_key_has_its_own(serve: Any, upstream: Any) -> None:
    limits = {"requests_per_minute": 50, "tokens_per_minute": 10_000}
    keys = {"ann": {"key": "sk-ann", **limits}, "bob": {"key": "sk-bob"}}
    gateway = await serve(server={"api_keys": keys})
    gateway.counters.clock = lambda: 1_800_000_000.0

    async def asked(name: str) -> Any:
        answer = await post(
            gateway, "say whose", "same", headers={"authorization": f"Bearer sk-{name}"}
        )
        await gateway.settled()
        return answer

    ann, bob, again = [await asked(name) for name in ("ann", "bob", "ann")]
    assert upstream.asked["say whose"] == 2
    assert REPLAYED not in bob.headers
    assert again.content == ann.content
    left = [int(one.headers["x-ratelimit-remaining-requests"]) for one in (ann, again)]
    assert left == [49, 48]
    third = await asked("ann")
    tokens = [int(one.headers["x-ratelimit-remaining-tokens"]) for one in (again, third)]
    assert tokens[0] == tokens[1] < 10_000


async def test_agents_protocols_and_embeddings(gateway: Any, upstream: Any) -> None:
    bodies = {
        "/v1/responses": {"model": "tiny", "input": "say by key"},
        "/v1/messages": {
            "model": "tiny",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "say by key"}],
        },
        "/v1/completions": {"model": "tiny", "prompt": "say by key"},
        "/batch/v1/completions": {"model": "tiny", "prompt": "say by key"},
        "/v1/embeddings": {"model": "coterie/embed", "input": "by key"},
    }
    for path, body in bodies.items():
        headers = {"idempotency-key": f"of {path}"}
        first, again = [await gateway.http.post(path, json=body, headers=headers) for _ in "12"]
        assert (first.status_code, again.status_code) == (200, 200), path
        assert first.content == again.content
        assert again.headers[REPLAYED] == "true"
        other = await gateway.http.post(path, json={**body, "user": "x"}, headers=headers)
        assert other.status_code == 422
        assert json.loads(other.content)["error"]["code"] == "idempotency_key_reuse"
    assert upstream.asked["say by key"] == 4


async def test_where_it_is_switched_off_the_header_means_nothing(serve: Any, upstream: Any) -> None:
    gateway = await serve(server={"idempotency": None})
    for _ in "12":
        assert (await post(gateway, "say off", "off")).status_code == 200
    assert upstream.asked["say off"] == 2


async def test_packed_bodies_are_the_same_body(gateway: Any, upstream: Any) -> None:
    raw = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "say zip"}]})
    headers = {"idempotency-key": "zip", "content-type": "application/json"}
    packed = {**headers, "content-encoding": "gzip"}
    first = await gateway.http.post(
        "/v1/chat/completions", content=gzip.compress(raw.encode()), headers=packed
    )
    again = await gateway.http.post("/v1/chat/completions", content=raw.encode(), headers=headers)
    assert (first.status_code, again.headers[REPLAYED]) == (200, "true")
    assert upstream.asked["say zip"] == 1
    large = await gateway.http.post(
        "/v1/chat/completions", content=b"x" * (17 << 20), headers=headers
    )
    assert large.status_code == 413


async def test_retries_that_wait_are_under_way_too(serve: Any, upstream: Any) -> None:
    keys = {"ann": {"key": "sk-ann", "max_in_flight": 3}}
    gateway = await serve(
        server={"max_in_flight": 4, "api_keys": keys | {"bob": {"key": "sk-bob"}}}
    )

    def asked(name: str) -> Any:
        headers = {"authorization": f"Bearer sk-{name}"}
        return asyncio.create_task(post(gateway, f"silent {name}", "k", headers=headers))

    waiting = []
    for count in (1, 2, 3):
        waiting.append(asked("ann"))
        async with asyncio.timeout(10):
            while gateway.context.metrics.in_flight < count:
                await asyncio.sleep(0)
    fourth = await asked("ann")
    assert (fourth.status_code, "max_in_flight" in fourth.text) == (429, True)
    waiting.append(asked("bob"))
    await upstream.saw("began bob")
    fifth = await asked("bob")
    assert fifth.json()["error"]["code"] == "too_many_requests"
    for name in ("ann", "bob"):
        upstream.release(name)
    assert {one.status_code for one in await asyncio.gather(*waiting)} == {200}
    await gateway.settled()
    assert upstream.asked["silent ann"] == 1


async def test_what_is_counted(serve: Any) -> None:
    gateway = await serve()
    for _ in "123":
        await post(gateway, "say counted", "counted")
    page = (await gateway.http.get("/metrics")).text
    assert "coterie_idempotent_replays_total 2.0" in page
