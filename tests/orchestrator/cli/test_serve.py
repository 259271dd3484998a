"""`coterie serve` as its own process, without slots: what it takes, and how it ends."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from service_process import ServedProcess, started

pytestmark = pytest.mark.slow

HEAVY = ("/ray/", "/torch/", "/vllm/", "/pyarrow/", "/sklearn/", "/scipy/")
MOST_MB = 200


@pytest.fixture
def pool(upstream: Any) -> dict[str, Any]:
    """A file of remote experts only."""
    far = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    return {
        "experts": {"far": far, "further": far},
        "routers": {"one": {"type": "static", "expert": "far"}},
        "compositions": {"pool/auto": {"router": "one"}},
    }


def _libraries(process: psutil.Process) -> set[str]:
    """The heavy libraries that a process has mapped into its memory."""
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    return {name for name in HEAVY if f"site-packages{name}" in maps}


async def test_a_gateway_of_remote_experts_is_small_and_quick(
    tmp_path: Path, pool: dict[str, Any]
) -> None:
    begun = time.perf_counter()
    # vLLM, where an earlier test has imported it, would have libraries of torch loaded into it.
    async with started(tmp_path, pool, LD_PRELOAD="") as served:
        url = await served.url()
        seconds = time.perf_counter() - begun
        body = {"model": "pool/auto", "messages": [{"role": "user", "content": "stream 2"}]}
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            answer = await http.post("/v1/chat/completions", json=body)
        assert answer.json()["choices"][0]["message"]["content"] == "wörd"
        process = psutil.Process(served.process.pid)
        megabytes, times = process.memory_info().rss / 1e6, process.cpu_times()
        computed = times.user + times.system
        print(f"ready in {seconds:.2f} s, {computed:.2f} s of a core, {megabytes:.0f} MB")
        assert _libraries(process) == set()
        assert process.children(recursive=True) == []
        assert megabytes < MOST_MB
    assert computed < 4, "two seconds are what it takes, on a machine with nothing else to do"
    assert seconds < 60, "it waits for something"


# How it ends.


class Client:
    """Asks a served process, and reads one stream of it."""

    def __init__(self, served: ServedProcess, http: httpx.AsyncClient) -> None:
        self.served, self.http = served, http

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.served.process.send_signal(number)

    def asking(self, script: str) -> "asyncio.Task[list[str]]":
        """The data of a stream's events, when it has ended."""
        return asyncio.create_task(self._events(script))

    async def _events(self, script: str) -> list[str]:
        asked = {"model": "far", "messages": [{"role": "user", "content": script}], "stream": True}
        async with self.http.stream("POST", "/v1/chat/completions", json=asked) as answer:
            assert answer.status_code == 200
            lines = [line async for line in answer.aiter_lines()]
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]

    async def not_ready(self) -> str:
        """What readiness says as soon as it says no."""
        async with asyncio.timeout(10):
            while (answer := await self.http.get("/health/readiness")).status_code == 200:
                await asyncio.sleep(0)
        return str(answer.json()["status"])


@pytest.fixture
async def serve(tmp_path: Path, pool: dict[str, Any]) -> AsyncIterator[Any]:
    """Starts a served process: `client = await serve(drain_timeout_s=5)`."""
    open_ones: list[Any] = []

    async def start(**server: Any) -> Client:
        context = started(tmp_path, {**pool, "server": server})
        served = await context.__aenter__()
        open_ones.append(context)
        http = httpx.AsyncClient(base_url=await served.url(), trust_env=False, timeout=20)
        open_ones.append(http)
        return Client(served, http)

    yield start
    for one in reversed(open_ones):
        await one.__aexit__(None, None, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_answers_in_flight_end(
    serve: Any, upstream: Any, number: signal.Signals
) -> None:
    client = await serve()
    key = f"drained-{number.name}"
    stream = client.asking(f"hold {key}")
    await upstream.saw(f"began {key}")
    client.signal(number)
    assert await client.not_ready() == "stopping"
    refused = await client.http.post("/v1/chat/completions", json={})
    assert (await client.http.get("/health")).status_code == 200
    upstream.release(key)
    events = await stream
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "service_stopping")
    assert refused.headers["retry-after"]
    assert events[-1] == "[DONE]"
    assert not any("error" in json.loads(event) for event in events[:-1])
    assert await client.served.ended() == 0
    assert "Traceback" not in client.served.printed
    assert client.served.printed.splitlines()[-1].endswith("stopped")


async def test_an_answer_that_outlasts_the_bound_ends_with_an_error(
    serve: Any, upstream: Any
) -> None:
    client = await serve(drain_timeout_s=0.2)
    stream = client.asking("hold outlasting")
    await upstream.saw("began outlasting")
    client.signal()
    events = await stream
    assert json.loads(events[-2])["error"]["code"] == "service_stopping"
    assert await client.served.ended() == 0
    assert "1 request did not end in time" in client.served.printed
    assert "Traceback" not in client.served.printed


async def test_with_a_notice_requests_are_taken_for_a_while(serve: Any, upstream: Any) -> None:
    client = await serve(drain_notice_s=2)
    client.signal()
    assert await client.not_ready() == "stopping"
    assert (await client.asking("stream 1"))[-1] == "[DONE]"
    assert await client.served.ended() == 0


async def test_a_second_signal_ends_at_once(serve: Any, upstream: Any) -> None:
    client = await serve(drain_timeout_s=600)
    stream = client.asking("hold for-ever")
    await upstream.saw("began for-ever")
    client.signal()
    await client.not_ready()
    client.signal()
    assert await client.served.ended() == 128 + signal.SIGTERM
    with pytest.raises(httpx.RemoteProtocolError):
        await stream


async def test_a_signal_while_it_starts_is_told_in_the_exit_code(
    tmp_path: Path, pool: dict[str, Any], upstream: Any
) -> None:
    # A store that takes the connection and never answers holds up the start.
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    connected = asyncio.Event()
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as store:
        port = store.sockets[0].getsockname()[1]
        async with started(tmp_path, {**pool, "store": f"redis://127.0.0.1:{port}/0"}) as served:
            await asyncio.wait_for(connected.wait(), 30)
            served.process.send_signal(signal.SIGTERM)
            code = await served.ended()
    assert code == 128 + signal.SIGTERM, served.printed
    assert re.search(r"stopped before it was ready$", served.printed.strip())
