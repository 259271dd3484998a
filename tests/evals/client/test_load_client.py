"""The load client against a server that speaks just as much HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from evals.client.load import load_client, target
from evals.client.load_client import run_job
from experts.errors import ServiceError

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
USAGE = b'{"usage":{"completion_tokens":64}}'
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nX-Coterie-Route-Ms: 1.25\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Starts a server that lets a function answer each request; returns its URL."""
    servers: list[asyncio.Server] = []

    async def start(handler: Handler) -> str:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except (asyncio.IncompleteReadError, ConnectionError):
                    writer.close()
                    return
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await handler(await reader.readexactly(length), writer)

        servers.append(await asyncio.start_server(connected, "127.0.0.1", 0))
        return "http://{}:{}/v1".format(*servers[-1].sockets[0].getsockname())

    yield start
    for server in servers:
        server.close()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _stream(body: bytes, writer: asyncio.StreamWriter) -> None:
    pieces = [_chunk(b'data: {"a":1}\n\n') for _ in range(3)]
    whole = STREAM_HEAD + b"".join(pieces) + _chunk(b"data: " + USAGE + b"\n\n") + b"0\r\n\r\n"
    # In odd pieces: neither the head nor the end of the body arrives whole.
    for start in range(0, len(whole), 50):
        writer.write(whole[start : start + 50])
        await writer.drain()
        await asyncio.sleep(0)


async def _whole(body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(USAGE) + USAGE)


async def _refuse(body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy")


async def _hang_up(body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM_HEAD + _chunk(b'data: {"a":1}\n\n'))
    await writer.drain()
    writer.close()


def _target(url: str) -> dict[str, object]:
    return target(url, "alpha", ["1?", "2?"], stream=True, max_tokens=64)


async def test_a_stream_is_counted(serve: Callable[[Handler], Awaitable[str]]) -> None:
    job = {
        "targets": [_target(await serve(_stream))],
        "in_flight": 3,
        "requests": 10,
        "header": "x-coterie-route-ms",
    }
    result = await run_job(job)

    assert len(result["exchanges"]) == 10
    for exchange in result["exchanges"]:
        assert exchange["error"] is None
        assert (exchange["tokens"], exchange["header"]) == (64, "1.25")
        assert 0 < exchange["first_s"] <= exchange["total_s"] <= result["seconds"]


async def test_two_targets_alternate(serve: Callable[[Handler], Awaitable[str]]) -> None:
    first, second = _target(await serve(_stream)), _target(await serve(_whole))
    result = await run_job({"targets": [first, second], "in_flight": 1, "requests": 4})

    assert [exchange["target"] for exchange in result["exchanges"]] == [0, 1, 0, 1]
    assert [exchange["tokens"] for exchange in result["exchanges"]] == [64] * 4


@pytest.mark.parametrize(("handler", "error"), [(_refuse, "503 Busy"), (_hang_up, "mid-answer")])
async def test_a_failure_is_reported_with_its_words(
    serve: Callable[[Handler], Awaitable[str]], handler: Handler, error: str
) -> None:
    result = await run_job(
        {"targets": [_target(await serve(handler))], "in_flight": 1, "requests": 2}
    )

    assert [error in exchange["error"] for exchange in result["exchanges"]] == [True, True]


async def test_the_bodies_ask_for_a_fixed_number_of_tokens() -> None:
    body = json.loads(_target("http://127.0.0.1:1/v1")["bodies"][1])  # type: ignore[index]

    assert body["messages"] == [{"role": "user", "content": "2?"}]
    assert (body["ignore_eos"], body["max_tokens"], body["temperature"]) == (True, 64, 0)
    assert body["stream_options"] == {"include_usage": True}


async def test_nothing_is_sent_when_the_time_is_over(
    serve: Callable[[Handler], Awaitable[str]],
) -> None:
    job = {"targets": [_target(await serve(_whole))], "in_flight": 2, "requests": 10}
    assert (await run_job(job | {"seconds": 0}))["exchanges"] == []
    assert len((await run_job(job | {"seconds": 60}))["exchanges"]) == 10


async def test_the_gaps_of_streams_are_counted(
    serve: Callable[[Handler], Awaitable[str]],
) -> None:
    job = {"targets": [_target(await serve(_stream))], "in_flight": 1, "requests": 2}
    assert "gaps" not in await run_job(job)
    counted = (await run_job(job | {"gaps": True, "ramp_s": 0.001}))["gaps"]
    assert sum(counted.values()) >= 2
    assert all(length >= 0 for length in counted)


async def test_in_its_own_process(
    serve: Callable[[Handler], Awaitable[str]], unused_tcp_port: int
) -> None:
    async with load_client() as client:
        job = {"targets": [_target(await serve(_stream))], "in_flight": 2, "requests": 4}
        assert len((await client.run(job))["exchanges"]) == 4
        refused = {**job, "targets": [_target(await serve(_refuse))]}
        with pytest.raises(ServiceError, match=r"4 requests of.* failed: HTTP/1\.1 503"):
            await client.run(refused)
        forgiven = await client.run(refused, forgiving=True)
        assert all("503" in exchange["error"] for exchange in forgiven["exchanges"])
        nobody = {**job, "targets": [_target(f"http://127.0.0.1:{unused_tcp_port}/v1")]}
        with pytest.raises(ServiceError, match="cannot connect"):
            await client.run(nobody)
