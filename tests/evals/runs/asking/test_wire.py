"""One call over HTTP: what counts as its seconds, and which failure is which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from evals.runs.asking.wire import Busy, Wire
from experts.errors import BadOutput, ExpertLost, ExpertRefused, ExpertTimeout
from experts.openai import ExpertClient
from experts.types import Request

ASKED = Request("1", "chat/completions", {"messages": [], "temperature": 0})
WHOLE = {"choices": [{"message": {"content": "yes"}}]}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers with `answer`."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Answer = self.whole
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def whole(self, request: web.Request) -> web.StreamResponse:
        headers = {"x-coterie-queue-ms": "86400000", "x-coterie-load-ms": "5"}
        return web.json_response(WHOLE, headers=headers)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        return await self.answer(request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", made.chat)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield made
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[ExpertClient]:
    async with ExpertClient() as made:
        yield made


async def test_waiting_is_not_part_of_a_calls_seconds(server: Server, client: ExpertClient) -> None:
    extra = {"coterie": {"class": "batch"}}
    wire = Wire(server.url, client, api_key="secret", extra=extra, timeout_s=10)
    reply = await wire("alpha", ASKED)
    assert reply.response == WHOLE
    assert reply.seconds == 0.0
    assert server.bodies == [{**ASKED.body, "model": "alpha", **extra}]
    assert server.keys == ["Bearer secret"]


async def test_a_refusal_has_the_experts_words(server: Server, client: ExpertClient) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "too long"}}, status=400)

    server.answer = refuse
    with pytest.raises(ExpertRefused, match="too long") as error:
        await Wire(server.url, client, timeout_s=10)("alpha", ASKED)
    assert not isinstance(error.value, Busy)


@pytest.mark.parametrize(("told", "after_s"), [("7", 7.0), ("soon", 0.0), (None, 0.0)])
async def test_a_busy_service_says_when_to_come_again(
    server: Server, client: ExpertClient, told: str | None, after_s: float
) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        headers = {} if told is None else {"retry-after": told}
        return web.Response(text="a proxy's page", status=503, headers=headers)

    server.answer = busy
    with pytest.raises(Busy, match="a proxy's page") as error:
        await Wire(server.url, client, timeout_s=10)("alpha", ASKED)
    assert error.value.after_s == after_s


async def test_what_breaks_or_is_silent_is_told_apart(server: Server, client: ExpertClient) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def odd(request: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": []})

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await request.content.read()
        await gone.wait()
        return response

    server.answer = broken
    with pytest.raises(ExpertLost):
        await Wire(server.url, client, timeout_s=10)("alpha", ASKED)
    server.answer = odd
    with pytest.raises(BadOutput, match="without choices"):
        await Wire(server.url, client, timeout_s=10)("alpha", ASKED)
    gone = asyncio.Event()
    server.answer = silent
    with pytest.raises(ExpertTimeout, match=r"within 0.05 s. Raise --timeout"):
        await Wire(server.url, client, timeout_s=0.05)("alpha", ASKED)
    gone.set()
    with pytest.raises(ExpertLost):
        await Wire("http://127.0.0.1:9", client, timeout_s=10)("alpha", ASKED)
