"""What systemd is told, and that nobody else is."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from config_files import REMOTE
from service_process import started

from orchestrator.cli.notify import READY, VARIABLE, notify


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        yield receiver


def test_a_socket_with_a_path(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, systemd.getsockname())
    notify(READY)
    assert systemd.recv(100) == b"READY=1"


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = f"coterie-test-{tmp_path.name}-{id(tmp_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(10)
        monkeypatch.setenv(VARIABLE, f"@{name}")
        notify(READY)
        assert receiver.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nowhere/at/all"])
def test_nobody_who_listens_is_no_fault(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, address)
    notify(READY)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
async def test_the_service_says_when_it_is_ready_and_when_it_stops(
    options: tuple[str, ...], systemd: socket.socket, tmp_path: Path
) -> None:
    pool: dict[str, Any] = {"experts": {"far": REMOTE}, "store": f"sqlite:{tmp_path}/store.db"}
    environment = {VARIABLE: systemd.getsockname()}
    async with started(tmp_path, pool, *options, **environment) as served:
        await served.url()
        assert systemd.recv(100) == b"READY=1"
        served.process.terminate()
        assert await served.ended() == 0
        assert systemd.recv(100) == b"STOPPING=1"
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
