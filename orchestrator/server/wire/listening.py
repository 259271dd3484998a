"""A port that is taken at once, and the server that answers there as soon as it can."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from experts.errors import ServiceError
from orchestrator.server.wire.bounds import ClientBounds
from orchestrator.server.wire.protocol import LISTENER, Protocol

BACKLOG = 2048
DOORS = 16
"""Connections that are accepted before the requests of others go on.

libuv accepts one for each socket and turn of the loop: with one socket, the last clients of a burst
waited for seconds.
"""


class Listener:
    """One address of a service; leaving the context lets go of it."""

    def __init__(self, taken: socket.socket) -> None:
        """`taken` is of `take`, in this process or in its parent."""
        self._socket = taken
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the port."""
        self._socket.close()

    @property
    def url(self) -> str:
        """Where it is."""
        name, number = self._socket.getsockname()[:2]
        return f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"

    def serve(self, app: ASGIApp, bounds: ClientBounds) -> None:
        """Begin to accept connections, within their bounds."""
        bounded = type("Bounded", (Protocol,), {"bounds": bounds})
        self._server = _Server(uvicorn.Config(app, **{**LISTENER, "http": bounded}))
        doors = [self._socket, *(self._socket.dup() for _ in range(DOORS - 1))]
        self._serving = asyncio.create_task(self._server.serve(sockets=doors))

    def cancel_requests(self) -> None:
        """End what is under way."""
        if self._server is not None:
            for task in tuple(self._server.server_state.tasks):
                task.cancel()

    async def wait(self) -> None:
        """Return when it has ended."""
        if self._serving is not None:
            await self._serving

    async def stop(self) -> None:
        """Finish what is under way within seconds."""
        if self._server is not None:
            self._server.should_exit = True
        await self.wait()


class _Server(uvicorn.Server):
    """A server that leaves the signals to whatever runs the service."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def take(host: str, port: int, key: str) -> socket.socket:
    """Take a port; 0 takes a free one. `key` names what sets it. Raises ServiceError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol, or asyncio would not send small packets at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # At once: a second service that starts meanwhile must find the port taken.
        listener.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError, TypeError) as error:
        listener.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ServiceError(
            f"Cannot listen on {host}:{port}: {reason}.",
            hint=f"Choose another one with {key}.",
        ) from error
    return listener
