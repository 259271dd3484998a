"""A port is taken at once, or the error says why not and what sets it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvloop

from experts.errors import ServiceError
from orchestrator.server.wire.bounds import ClientBounds
from orchestrator.server.wire.listening import DOORS, Listener, take


def listening(host: str, port: int) -> Listener:
    return Listener(take(host, port, "server.admin.port"))


def test_a_port_on_which_somebody_listens_is_refused() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServiceError, match="Address already in use"),
    ):
        listening("127.0.0.1", taken.getsockname()[1]).close()


def test_a_port_that_another_service_has_bound_is_refused_before_it_listens() -> None:
    with (
        listening("127.0.0.1", 0) as first,
        pytest.raises(ServiceError, match="Address already in use"),
    ):
        listening("127.0.0.1", int(first.url.rpartition(":")[2])).close()


@pytest.mark.parametrize(
    "host", ["no such host", "256.0.0.1", "ü" * 70], ids=["words", "number", "long"]
)
def test_a_host_that_does_not_exist_is_refused(host: str) -> None:
    with pytest.raises(ServiceError, match=r"Cannot listen on .*server\.admin\.port"):
        listening(host, 0)


def test_a_burst_is_accepted_in_a_few_turns_of_the_loop() -> None:
    """On the loop of the service, which accepts one connection for each socket and turn."""
    assert uvloop.run(_turns_until_answered(3 * DOORS)) < DOORS


async def _turns_until_answered(clients: int) -> int:
    loop = asyncio.get_running_loop()
    turns, answered, over = 0, 0, asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal answered
        answered += 1
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        if answered == 1 + clients:
            over.set()

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not over.is_set():
            loop.call_later(0.001, turn)

    with listening("127.0.0.1", 0) as one:
        one.serve(app, ClientBounds())
        port = int(one.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readline()  # It is up.
        burst = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
        for client in burst:
            client.sendall(REQUEST)
        turn()
        await over.wait()
        for client in burst:
            client.close()
        writer.close()
        await one.stop()
    return turns


REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
