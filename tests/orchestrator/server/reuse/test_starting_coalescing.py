"""Equal requests under way at once: asked once, followed live, ended by the last that leaves."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

COUNT = 50


async def test_fifty_equal_calls_are_asked_once(cached: Any, ask: Any, upstream: Any) -> None:
    asking = [asyncio.create_task(ask(cached, "silent fifty")) for _ in range(COUNT)]
    await upstream.saw("began fifty")
    async with asyncio.timeout(10):
        while cached.context.metrics.in_flight < COUNT:
            await asyncio.sleep(0)
    upstream.release("fifty")
    answers = await asyncio.gather(*asking)
    assert {one.status_code for one in answers} == {200}
    assert upstream.asked["silent fifty"] == 1
    told = [one.headers["x-coterie-cache"] for one in answers]
    assert sorted(told) == ["coalesced"] * (COUNT - 1) + ["miss"]
    assert len({one.headers["x-request-id"] for one in answers}) == COUNT
    assert {one.json()["choices"][0]["message"]["content"] for one in answers} == {
        answers[0].json()["choices"][0]["message"]["content"]
    }
    assert (await ask(cached, "silent fifty")).headers["x-coterie-cache"] == "hit"


def streaming(gateway: Any, script: str, **fields: Any) -> Any:
    """A stream that has to be entered."""
    chat = {"model": "tiny", "messages": [{"role": "user", "content": script}], "temperature": 0}
    body = {**chat, "stream": True, **fields}
    return gateway.http.stream("POST", "/v1/chat/completions", json=body)


async def test_streams_are_followed_live(cached: Any, upstream: Any) -> None:
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(streaming(cached, "hold live")) for _ in range(3)
        ]
        readers = [one.aiter_bytes() for one in streams]
        begun = [await anext(one) for one in readers]  # While the expert still holds the rest.
        assert len(set(begun)) == 1
        assert b"[DONE]" not in begun[0]
        upstream.release("live")
        whole = [
            first + b"".join([p async for p in rest])
            for first, rest in zip(begun, readers, strict=True)
        ]
    assert len(set(whole)) == 1
    assert whole[0].endswith(b"data: [DONE]\n\n")
    assert upstream.asked["hold live"] == 1


async def test_who_leaves_ends_nothing_while_others_read(cached: Any, upstream: Any) -> None:
    async with AsyncExitStack() as stack:
        async with streaming(cached, "hold leader") as leader:
            await anext(leader.aiter_bytes())
            other = await stack.enter_async_context(streaming(cached, "hold leader"))
            assert other.headers["x-coterie-cache"] == "coalesced"
        async with asyncio.timeout(10):
            while cached.context.metrics.in_flight > 1:
                await asyncio.sleep(0)
        upstream.release("leader")
        assert (await other.aread()).endswith(b"data: [DONE]\n\n")
    record = await _record(cached, other.headers["x-request-id"])
    assert [one["expert"] for one in record["calls"]] == ["tiny"]  # It accounts for it now.
    left = await _record(cached, leader.headers["x-request-id"])
    assert (left["status"], left["cache"], left["calls"]) == (499, "miss", [])
    assert upstream.asked["hold leader"] == 1


async def _record(gateway: Any, request_id: str) -> Any:
    await gateway.settled()
    return (await gateway.http.get(f"/coterie/requests/{request_id}")).json()


async def test_once_all_have_left_it_is_aborted_and_asked_anew(
    cached: Any, ask: Any, upstream: Any
) -> None:
    asking = [asyncio.create_task(ask(cached, "silent all")) for _ in "123"]
    await upstream.saw("began all")
    for one in asking:
        one.cancel()
    await upstream.saw("aborted all")
    await cached.settled()
    upstream.release("all")
    assert (await ask(cached, "silent all")).headers["x-coterie-cache"] == "miss"


async def test_every_one_of_them_can_be_scored(cached: Any, ask: Any, upstream: Any) -> None:
    asking = [asyncio.create_task(ask(cached, "silent scores", model="pool/auto")) for _ in "123"]
    await upstream.saw("began scores")
    async with asyncio.timeout(10):
        while cached.context.metrics.in_flight < 3:
            await asyncio.sleep(0)
    upstream.release("scores")
    for answer in await asyncio.gather(*asking):
        score = {"request_id": answer.headers["x-request-id"], "score": 1}
        given = await cached.http.post("/coterie/feedback", json=score)
        assert given.json()["expert"] == "tiny"


async def test_an_error_is_everybodys(serve: Any, ask: Any, upstream: Any) -> None:
    gateway = await serve(
        {"closed": {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "x"}},
        server={"cache": {}, "retries": 0},
    )
    answers = await asyncio.gather(*(ask(gateway, "x", model="closed") for _ in range(9)))
    told = [(one.status_code, one.json()["error"]["code"]) for one in answers]
    assert set(told) == {(502, "expert_lost")}
    assert len({one.headers["x-request-id"] for one in answers}) == 9


@pytest.mark.parametrize("different", [{"seed": 1}, {"coterie": {"class": "batch"}}])
async def test_who_asks_otherwise_asks_for_himself(
    cached: Any, ask: Any, upstream: Any, different: Any
) -> None:
    name = "else-" + "-".join(different)
    asking = [asyncio.create_task(ask(cached, f"silent {name}", **f)) for f in ({}, different)]
    async with asyncio.timeout(10):
        while upstream.asked[f"silent {name}"] < 2:
            await asyncio.sleep(0)
    upstream.release(name)
    found = [one.headers["x-coterie-cache"] for one in await asyncio.gather(*asking)]
    assert found == ["miss", "miss"]


async def test_without_coalescing_each_is_asked(serve: Any, ask: Any, upstream: Any) -> None:
    gateway = await serve(server={"cache": {"coalesce": False}})
    asking = [asyncio.create_task(ask(gateway, "silent alone")) for _ in "12"]
    async with asyncio.timeout(10):
        while upstream.asked["silent alone"] < 2:
            await asyncio.sleep(0)
    upstream.release("alone")
    found = [one.headers["x-coterie-cache"] for one in await asyncio.gather(*asking)]
    assert found == ["miss", "miss"]
