"""Ports that are free, taken by a stranger, and taken by a Coterie."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from aiohttp import web

from orchestrator.cli.doctor.finding import Level
from orchestrator.cli.doctor.ports import check_port, check_ports
from orchestrator.config.keys.limits_section import AdminConfig
from orchestrator.config.server_section import ServerConfig


@pytest.fixture
def taken() -> Iterator[int]:
    """Of a listener that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        yield stranger.getsockname()[1]


def test_a_free_port_is_free_afterwards() -> None:
    assert check_port("server.port", "127.0.0.1", 0).level is Level.OK
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    for _ in range(2):
        assert check_port("server.port", "127.0.0.1", free).level is Level.OK


def test_a_strangers_port_is_a_fault(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cli.doctor.ports.PATIENCE_S", 0.2)
    found = check_port("server.port", "127.0.0.1", taken)
    assert (found.level, "server.port" in found.advice) == (Level.FAULT, True)


@pytest.mark.parametrize(("title", "level"), [("Coterie", Level.OK), ("Other", Level.FAULT)])
async def test_a_coterie_that_runs_is_no_fault(title: str, level: Level) -> None:
    async def describe(_: web.Request) -> web.Response:
        return web.json_response({"info": {"title": title, "version": "0.2.0"}})

    application = web.Application()
    application.router.add_get("/openapi.json", describe)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        found = await asyncio.to_thread(check_port, "server.port", "127.0.0.1", port)
    finally:
        await runner.cleanup()
    assert found.level is level


def test_administrators_have_a_port_as_well() -> None:
    server = ServerConfig(port=0, admin=AdminConfig(port=0))
    assert [found.about for found in check_ports(server)] == ["port 0", "port 0"]
