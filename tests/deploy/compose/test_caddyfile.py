"""The balancer with its own configuration, over gateways that a test makes."""

import asyncio
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from composed import FOLDER
from tools import tool

CADDYFILE = FOLDER / "Caddyfile"
PATIENCE_S = 60.0


def _environment(folder: Path, **given: str) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        **given,
    }


def test_it_is_valid_and_formatted(tmp_path: Path) -> None:
    caddy = str(tool("caddy"))
    for words in (["validate", "--adapter", "caddyfile", "--config"], ["fmt", "--diff"]):
        done = subprocess.run(
            [caddy, *words, str(CADDYFILE)],
            capture_output=True, text=True, timeout=60, env=_environment(tmp_path),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


class Gateway:
    """Answers with its name, streams, and is ready until it is told otherwise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = True
        self.address = ""
        self.asked = Counter[str]()
        self.goes_on = asyncio.Event()
        self.runner = self._runner()

    def _runner(self) -> web.AppRunner:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        return web.AppRunner(application)

    async def start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.address = "{}:{}".format(*self.runner.addresses[0][:2])

    async def answer(self, http: web.Request) -> web.StreamResponse:
        self.asked[http.path] += 1
        if http.path == "/health/readiness":
            return web.Response(status=200 if self.ready else 503)
        if http.path == "/stream":
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await response.prepare(http)
            await response.write(b"data: first\n\n")
            await self.goes_on.wait()
            await response.write(b"data: last\n\n")
            return response
        return web.Response(text=self.name)


@pytest.fixture
async def gateways() -> AsyncIterator[list[Gateway]]:
    found = [Gateway("a"), Gateway("b")]
    for gateway in found:
        await gateway.start()
    yield found
    for gateway in found:
        await gateway.runner.cleanup()


@pytest.fixture
def balancer(gateways: list[Gateway], tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    addresses = " ".join(gateway.address for gateway in gateways)
    environment = _environment(
        tmp_path, COTERIE_SITE=f"http://127.0.0.1:{port}", COTERIE_GATEWAYS=addresses
    )
    command = [str(tool("caddy")), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "serving initial configuration" in line:
                break
        yield f"http://127.0.0.1:{port}"
        process.kill()
        process.stderr.read()


def client(url: str) -> httpx.AsyncClient:
    """Where no gateway is ready, the balancer waits for one for five seconds."""
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S)


async def _until(ask: Any, wanted: Any) -> None:
    """Ask again until it is so: the balancer looks every two seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while await ask() != wanted:
            pass


async def test_requests_go_to_gateways_that_are_ready(
    balancer: str, gateways: list[Gateway]
) -> None:
    first, second = gateways
    async with client(balancer) as http:

        async def names() -> set[str]:
            return {(await http.get("/v1/models")).text for _ in range(16)}

        await _until(names, {"a", "b"})
        first.ready = False
        await _until(names, {"b"})
        second.ready = False

        async def status() -> int:
            return (await http.get("/v1/models")).status_code

        await _until(status, 503)
        first.ready = True
        await _until(names, {"a"})


async def test_a_gateway_that_is_gone_costs_no_request(
    balancer: str, gateways: list[Gateway]
) -> None:
    async with client(balancer) as http:
        await gateways[0].runner.cleanup()
        answers = [await http.post("/v1/chat/completions", json={}) for _ in range(16)]
    assert {(one.status_code, one.text) for one in answers} == {(200, "b")}


async def test_every_event_comes_at_once(balancer: str, gateways: list[Gateway]) -> None:
    async with (
        client(balancer) as http,
        http.stream("GET", "/stream") as answer,
    ):
        events = answer.aiter_lines()
        assert await anext(events) == "data: first"
        for gateway in gateways:
            gateway.goes_on.set()
        assert [line async for line in events if line] == ["data: last"]


async def test_the_numbers_stay_inside(balancer: str, gateways: list[Gateway]) -> None:
    async with client(balancer) as http:
        for path in ("/metrics", "/metrics/"):
            assert (await http.get(path)).status_code == 404
    assert sum(gateway.asked["/metrics"] for gateway in gateways) == 0
