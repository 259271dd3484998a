"""A service that stops ends what runs without its client, and tells those that wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


def keyed(gateway: Any, script: str, **fields: Any) -> Any:
    body = {"model": "tiny", "messages": [{"role": "user", "content": script}], **fields}
    headers = {"idempotency-key": script}
    return asyncio.create_task(
        gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    )


async def test_those_that_wait_are_told(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    waiting = [keyed(gateway, "silent stop") for _ in "12"]
    await upstream.saw("began stop")
    while len(gateway.http._transport._pool.connections) < 2:  # type: ignore[attr-defined]
        await asyncio.sleep(0)
    gateway.cancel_requests()
    answers = await asyncio.gather(*waiting)
    assert {one.status_code for one in answers} == {503}
    assert {one.json()["error"]["code"] for one in answers} == {"service_stopping"}
    await upstream.saw("aborted stop")
    await gateway.settled()
    upstream.release("stop")
    again = await keyed(gateway, "silent stop")
    assert (again.status_code, "idempotency-replayed" in again.headers) == (200, False)


async def test_a_stream_ends_with_an_error(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    waiting = keyed(gateway, "hold stopped", stream=True)
    await upstream.saw("began stopped")
    gateway.cancel_requests()
    answer = await waiting
    assert answer.status_code == 200
    assert b'"service_stopping"' in answer.content
    assert answer.content.endswith(b"data: [DONE]\n\n")


async def test_what_runs_alone_is_ended(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    client = keyed(gateway, "silent alone-at-the-end")
    await upstream.saw("began alone-at-the-end")
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client
    assert gateway.context.metrics.in_flight == 1
    await gateway.reuse.idempotency.stop()
    await upstream.saw("aborted alone-at-the-end")
    assert gateway.context.metrics.in_flight == 0
    assert not gateway.reuse.idempotency.works
