"""Several gateways on one Redis have the same kept answers; without it, requests go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis_process import RedisServer

from orchestrator.store.opening import open_store


@pytest.fixture
async def two(serve: Any, start_redis: Callable[..., RedisServer]) -> AsyncIterator[Any]:
    """Two gateways, and the Redis that they share."""
    server = start_redis()
    stores = [await open_store(server.url) for _ in "12"]
    section = {"server": {"cache": {"store_retry_s": 1000}}}
    gateways = [await serve(shared=store, **section) for store in stores]
    yield *gateways, server
    for store in stores:
        await store.close()


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.headers["x-coterie-cache"]


async def test_what_one_has_kept_the_other_gives(two: Any, ask: Any, upstream: Any) -> None:
    one, other, _ = two
    for more in ({}, {"stream": True}):
        first = await ask(one, "say shared", **more)
        while one.reuse.under_way.tasks:  # Until then, it is not kept.
            await asyncio.sleep(0)
        second = await ask(other, "say shared", **more)
        assert [told(first), told(second)] == [(200, "miss"), (200, "hit")]
    assert upstream.asked["say shared"] == 2
    assert b"shared" in second.content


async def test_without_redis_requests_go_on_and_that_is_said_once(
    two: Any, ask: Any, upstream: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, _, server = two
    found = []
    for _ in "1234":
        found.append(told(await ask(one, "say away")))
        while one.reuse.under_way.tasks:  # Until then, it gives the answer that it has.
            await asyncio.sleep(0)
        server.end()  # Again and again: it stays away.
    assert found == [(200, "miss")] * 4
    assert upstream.asked["say away"] == 4
    assert caplog.text.count("no answer is kept or found until the store answers") == 1


# Requests with a key of their own.


def keyed(key: str, **fields: Any) -> dict[str, Any]:
    return {"headers": {"idempotency-key": key}, **fields}


async def test_a_retry_at_another_gateway_is_told_to_wait_and_then_gets_the_answer(
    two: Any, ask: Any, upstream: Any
) -> None:
    one, other, _ = two
    first = asyncio.create_task(ask(one, "silent elsewhere", **keyed("k")))
    await upstream.saw("began elsewhere")
    early = await ask(other, "silent elsewhere", **keyed("k"))
    assert (early.status_code, early.headers["retry-after"]) == (409, "1")
    assert early.json()["error"]["code"] == "idempotency_key_in_use"
    assert (await ask(other, "silent elsewhere", **keyed("k", seed=1))).status_code == 422
    upstream.release("elsewhere")
    answer = await first
    while one.reuse.idempotency.works:
        await asyncio.sleep(0)
    late = await ask(other, "silent elsewhere", **keyed("k"))
    assert (late.status_code, late.content) == (200, answer.content)
    assert late.headers["idempotency-replayed"] == "true"
    assert late.headers["x-request-id"] == answer.headers["x-request-id"]
    assert (await ask(other, "silent elsewhere", **keyed("k", seed=1))).status_code == 422
    assert upstream.asked["silent elsewhere"] == 1


async def test_when_a_gateway_has_died_the_retry_runs(two: Any, ask: Any, upstream: Any) -> None:
    one, other, server = two
    first = asyncio.create_task(ask(one, "silent dead", **keyed("dead")))
    await upstream.saw("began dead")
    (claim,) = server.tell("KEYS", "coterie:cache:requests:value:*")
    assert 0 < server.tell("PTTL", claim) <= 15_000
    server.tell("DEL", claim)  # As it goes when nobody holds it any more.
    retry = asyncio.create_task(ask(other, "silent dead", **keyed("dead")))
    while upstream.asked["silent dead"] < 2:
        await asyncio.sleep(0)
    upstream.release("dead")
    for answer in (await retry, await first):
        assert answer.status_code == 200
        assert "idempotency-replayed" not in answer.headers


async def test_without_redis_keys_count_on_each_gateway(
    two: Any, ask: Any, upstream: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, _, server = two
    server.end()
    found = [await ask(one, "say lonely", **keyed("lonely")) for _ in "123"]
    assert [one.status_code for one in found] == [200] * 3
    assert [one.headers.get("idempotency-replayed") for one in found] == [None, "true", "true"]
    assert upstream.asked["say lonely"] == 1
    assert caplog.text.count("idempotency keys count on this gateway alone") == 1
