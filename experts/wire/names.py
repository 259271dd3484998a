"""The addresses of servers: looked up once for all who want to know, and soon again."""

import asyncio
from collections.abc import Sequence
from socket import SOCK_STREAM
from typing import NamedTuple

from aiohttp import AddrInfoType

KNOWN_S = 10.0
"""How long the addresses of a name are taken for known."""


class Origin(NamedTuple):
    """A server: requests to the same one can share connections."""

    tls: bool
    host: str
    port: int


class Names:
    """What is known of the servers of one client."""

    def __init__(self) -> None:
        self._found: dict[Origin, tuple[float, asyncio.Task[Sequence[AddrInfoType]]]] = {}

    async def addresses(self, origin: Origin) -> Sequence[AddrInfoType]:
        """Of a server. Raises OSError."""
        loop = asyncio.get_running_loop()
        until, found = self._found.get(origin, (0.0, None))
        if found is None or until < loop.time() or (found.done() and _has_failed(found)):
            found = loop.create_task(_look_up(origin))
            self._found[origin] = loop.time() + KNOWN_S, found
        # Whoever gives up does not end it for the others.
        return await asyncio.shield(found)


async def _look_up(origin: Origin) -> Sequence[AddrInfoType]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(origin.host, origin.port, type=SOCK_STREAM)


def _has_failed(found: "asyncio.Task[Sequence[AddrInfoType]]") -> bool:
    return found.cancelled() or found.exception() is not None
