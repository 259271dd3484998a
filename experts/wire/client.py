"""Requests over kept-alive connections, of which there are not too many."""

import asyncio
from collections import deque

from experts.wire.connection import Connection
from experts.wire.dialing import Origin, dial
from experts.wire.response import Response


class WireClient:
    """Sends whole requests to servers, and keeps connections for the next ones."""

    def __init__(self, max_connections: int, keep_alive_s: float, connect_timeout_s: float) -> None:
        """At most `max_connections` requests are under way; further ones wait."""
        self._most = max_connections
        self._room = asyncio.Semaphore(max_connections)
        self._keep_alive_s = keep_alive_s
        self._connect_timeout_s = connect_timeout_s
        self._idle: dict[Origin, deque[Connection]] = {}
        self._origins: dict[Connection, Origin] = {}
        """Of every connection."""
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(self, origin: Origin, request: bytes, timeout_s: float) -> Response:
        """The answer to a whole request, once its head is here.

        `timeout_s` is the longest silence that is waited out. Raises httpx.TransportError.
        """
        await self._room.acquire()
        try:
            connection = self._kept(origin)
            if connection is None:
                connection = await self._new(origin)
            response = connection.ask(request, timeout_s)
        except BaseException:
            self._room.release()
            raise
        try:
            await response.started()
        except BaseException:
            response.close()
            raise
        return response

    def close(self) -> None:
        """Drop every connection, and what is on its way over them."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in [*self._origins]:
            connection.abort()

    def _kept(self, origin: Origin) -> Connection | None:
        """The one that was used last: those at the other end of the row may end unused."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.open:
                return connection
        return None

    async def _new(self, origin: Origin) -> Connection:
        if len(self._origins) >= self._most:
            self._drop_oldest()
        connection = await dial(
            origin, lambda: Connection(self._freed, self._lost), self._connect_timeout_s
        )
        if self._closed:
            connection.abort()
        self._origins[connection] = origin
        return connection

    def _drop_oldest(self) -> None:
        """Make room: another server's turn has come."""
        firsts = [idle for idle in self._idle.values() if idle]
        if firsts:
            min(firsts, key=lambda idle: idle[0].idle_since).popleft().abort()

    def _freed(self, connection: Connection) -> None:
        self._room.release()
        origin = self._origins.get(connection)
        if origin is None or not connection.open or self._closed:
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, deque()).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._keep_alive_s, self._sweep_idle)

    def _lost(self, connection: Connection) -> None:
        self._origins.pop(connection, None)

    def _sweep_idle(self) -> None:
        """Close what has not been used for long; look again as long as anything is kept."""
        loop = asyncio.get_running_loop()
        since = loop.time() - self._keep_alive_s
        for origin, idle in [*self._idle.items()]:
            while idle and (idle[0].idle_since <= since or not idle[0].open):
                idle.popleft().abort()
            if not idle:
                del self._idle[origin]
        again = loop.call_later(self._keep_alive_s, self._sweep_idle) if self._idle else None
        self._sweep = again
