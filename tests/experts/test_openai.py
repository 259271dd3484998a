"""An OpenAI-compatible server as an engine: parsing, and every way in which it can fail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from experts.engine import complete, stream
from experts.errors import ExpertLost, ExpertRefused, ExpertTimeout
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.types import Chunk, Operation, Request, Usage


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with ExpertClient() as made:
        yield made


@pytest.fixture
def make_engine(upstream: Any, client: httpx.AsyncClient) -> Callable[..., OpenAIEngine]:
    def make(**keys: Any) -> OpenAIEngine:
        endpoint = {"base_url": upstream.base_url, "model": "tiny-model", **keys}
        return OpenAIEngine(Endpoint("tiny", **endpoint), client)

    return make


def _ask(script: str, operation: Operation = "chat/completions", **body: Any) -> Request:
    asked = {"messages": [{"role": "user", "content": script}]}
    return Request(
        "r-1", operation, {**(asked if "chat" in operation else {"prompt": script}), **body}
    )


async def _collect(engine: OpenAIEngine, script: str) -> list[Chunk]:
    return [chunk async for chunk in stream(engine, _ask(script))]


@pytest.mark.parametrize("operation", ["chat/completions", "completions"])
async def test_a_stream_is_parsed(make_engine: Any, operation: Operation) -> None:
    completion = await complete(make_engine(), _ask("stream 2", operation))
    assert completion.text == "wörd0 wörd1 "
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(5, 3)


async def test_the_server_gets_its_own_model_name_and_our_request_id(
    make_engine: Any, upstream: Any
) -> None:
    await _collect(make_engine(api_key="secret"), "stream 1")
    assert upstream.bodies[-1]["model"] == "tiny-model"
    headers = {name.lower(): value for name, value in upstream.headers[-1].items()}
    assert headers["x-request-id"] == "r-1"
    assert headers["authorization"] == "Bearer secret"


async def test_an_answer_of_no_words_is_an_answer(make_engine: Any) -> None:
    assert [chunk.text for chunk in await _collect(make_engine(), "stream 0")] == ["", ""]


async def test_a_refusal_keeps_its_words_and_its_status(make_engine: Any) -> None:
    with pytest.raises(ExpertRefused, match="bad n") as caught:
        await _collect(make_engine(), "refuse field")
    assert (caught.value.status, caught.value.body["param"]) == (400, "n")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "system", ["be brief", "half a pair: \ud800"], ids=["plain", "half a surrogate"]
)
async def test_a_prompt_whose_tokens_were_not_all_counted_is_counted(
    make_engine: Any, system: str
) -> None:
    request = _ask("refuse context-at-least")
    messages = [{"role": "system", "content": system}, *request.body["messages"]]
    with pytest.raises(ExpertRefused, match=r"is 1024 tokens.* has 1500 tokens") as caught:
        await complete(make_engine(), Request("r-1", request.operation, {"messages": messages}))
    assert caught.value.status == 400


async def test_a_refusal_in_no_known_shape_is_still_one(make_engine: Any) -> None:
    with pytest.raises(ExpertRefused, match="not what you think"):
        await _collect(make_engine(), "refuse plain")


async def test_a_servers_failure_may_be_tried_again(make_engine: Any) -> None:
    with pytest.raises(ExpertRefused, match="server of expert tiny failed") as caught:
        await _collect(make_engine(), "refuse broken")
    assert caught.value.retryable


@pytest.mark.parametrize("script", ["drop", "cut", "unfinished"])
async def test_a_connection_that_breaks_is_a_lost_expert(make_engine: Any, script: str) -> None:
    with pytest.raises(ExpertLost, match="tiny") as caught:
        await _collect(make_engine(), script)
    assert caught.value.expert == "tiny"


async def test_what_came_before_the_break_is_handed_on(make_engine: Any) -> None:
    chunks = stream(make_engine(), _ask("cut"))
    assert [(await anext(chunks)).text for _ in range(2)] == ["wörd0 ", "wörd1 "]
    with pytest.raises(ExpertLost):
        await anext(chunks)


async def test_an_error_event_is_raised(make_engine: Any) -> None:
    with pytest.raises(ExpertRefused, match="server of expert tiny failed"):
        await _collect(make_engine(), "cut-error")


async def test_nobody_listening_is_a_lost_expert(make_engine: Any) -> None:
    with pytest.raises(ExpertLost):
        await _collect(make_engine(base_url="http://127.0.0.1:9/v1"), "stream 1")


async def test_a_server_that_speaks_something_else_is_a_lost_expert(make_engine: Any) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        with pytest.raises(ExpertLost):
            await _collect(make_engine(base_url=f"http://{host}:{port}/v1"), "stream 1")


@pytest.mark.parametrize("script", ["silent t1", "hold t2"])
async def test_silence_is_waited_out_no_longer_than_allowed(
    make_engine: Any, upstream: Any, script: str
) -> None:
    with pytest.raises(ExpertTimeout, match="tiny did not answer in time"):
        await _collect(make_engine(timeout_s=0.1), script)


async def test_closing_the_stream_aborts_the_generation(make_engine: Any, upstream: Any) -> None:
    chunks = stream(make_engine(), _ask("hold closing"))
    assert (await anext(chunks)).text == "wörd0 "
    await chunks.aclose()
    await upstream.saw("aborted closing")


async def test_nothing_is_compressed_on_the_way(make_engine: Any, upstream: Any) -> None:
    engine = make_engine()
    async with aclosing(await engine.open(_ask("packed"), "tiny")) as answer:
        body = b"".join([piece async for piece in answer.pieces])
    assert body.startswith(b'{"id"')
