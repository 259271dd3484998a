"""The engine of the comparison speaks OpenAI's protocol, as long and as fast as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from evals.benchmarks.gateways.fake_engine import DEFAULT_TOKENS, MODEL, WORD, Server
from experts.upstream.answers import check_whole, usage_in
from experts.upstream.streams import StreamCheck

Start = Callable[[float], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    ends: list[Callable[[], Awaitable[None]]] = []

    async def begun(gap_s: float) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Server(gap_s), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)

        async def end() -> None:
            await client.aclose()
            server.close()

        ends.append(end)
        return client

    yield begun
    for end in ends:
        await end()


def _asked(*, stream: bool, **more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "?"}]
    return {"model": MODEL, "messages": messages, "stream": stream, **more}


@pytest.mark.parametrize("told", [{"max_tokens": 3}, {"max_completion_tokens": 3}])
async def test_a_whole_answer_has_as_many_tokens_as_are_asked_for(
    start: Start, told: dict[str, int]
) -> None:
    client = await start(0.0)
    for _ in range(2):  # On one connection.
        answer = await client.post("/v1/chat/completions", json=_asked(stream=False, **told))
        found = check_whole(MODEL, answer.headers["content-type"], answer.content)
        assert found.choices is not None
        assert found.choices[0].said == WORD * 3
        usage = usage_in(answer.content)
        assert usage is not None
        assert usage.completion_tokens == 3


@pytest.mark.parametrize("gap_s", [0.0, 0.001])
async def test_every_token_of_a_stream_is_an_event(start: Start, gap_s: float) -> None:
    client = await start(gap_s)
    answer = await client.post("/v1/chat/completions", json=_asked(stream=True, max_tokens=3))
    check = StreamCheck(MODEL)
    assert check.part(answer.content) == (answer.content, None)
    assert check.done
    events = [line[6:] for line in answer.content.split(b"\n\n")[:-2]]
    words = ["".join(c["delta"]["content"] for c in json.loads(e)["choices"]) for e in events]
    assert words == [WORD, WORD, WORD, ""]


async def test_who_asks_for_nothing_gets_the_usual(start: Start) -> None:
    client = await start(0.0)
    answer = await client.post("/v1/chat/completions", json=_asked(stream=False))
    assert answer.json()["usage"]["completion_tokens"] == DEFAULT_TOKENS
    models = await client.get("/v1/models")
    assert [model["id"] for model in models.json()["data"]] == [MODEL]


async def test_a_client_that_leaves_is_sent_nothing_more(start: Start) -> None:
    client = await start(0.001)
    body = _asked(stream=True, max_tokens=1000)
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert (await anext(answer.aiter_bytes())).startswith(b"data: {")
    again = await client.post("/v1/chat/completions", json=_asked(stream=False, max_tokens=1))
    assert again.json()["usage"]["completion_tokens"] == 1
