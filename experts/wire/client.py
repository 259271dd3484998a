"""Requests over kept-alive connections, of which there are not too many."""

import asyncio
from collections import deque

import httpx

from experts.wire.connection import Connection
from experts.wire.dialing import dial
from experts.wire.names import Names, Origin
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
        self._waiting: dict[Origin, deque[asyncio.Future[Connection]]] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self._names = Names()
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
            while connection is None or not connection.open:
                connection = await self._next(origin)
            response = connection.ask(request, timeout_s)
        except BaseException:
            self._room.release()
            raise
        try:
            while not response.status:
                await response.news()
        except BaseException:
            response.close()
            raise
        return response

    def close(self) -> None:
        """Drop every connection, and what is on its way over them."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for dialing in self._dials:
            dialing.cancel()
        for row in self._waiting.values():
            for turn in row:
                if not turn.done():
                    turn.set_exception(httpx.ConnectError("the service stops"))
        for connection in [*self._origins]:
            connection.abort()

    def break_off(self, origin: Origin) -> None:
        """Drop every connection to a server that is out of reach, and what waits for one."""
        why = "its machine is out of reach"
        for turn in self._waiting.get(origin, ()):
            if not turn.done():
                turn.set_exception(httpx.ConnectError(why))
        for connection, where in [*self._origins.items()]:
            if where == origin:
                connection.abort(why)

    def _kept(self, origin: Origin) -> Connection | None:
        """The one that was used last: those at the other end of the row may end unused."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.open:
                return connection
        return None

    async def _next(self, origin: Origin) -> Connection:
        """A new one, or one that is free before that.

        In a burst it takes longer to connect than to be answered; whoever waited for a connection
        of its own would be answered last.
        """
        turn: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        row = self._waiting.setdefault(origin, deque())
        row.append(turn)
        dialing = asyncio.create_task(self._dial(origin, turn))
        self._dials.add(dialing)
        dialing.add_done_callback(self._dials.discard)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._offer(turn.result())
            raise
        finally:
            if turn in row:
                row.remove(turn)

    async def _dial(self, origin: Origin, turn: "asyncio.Future[Connection]") -> None:
        """A connection for whoever is the first by then; it is its own turn that fails with it."""
        if len(self._origins) >= self._most:
            self._drop_oldest()
        try:
            connection = await dial(
                origin,
                self._names,
                lambda: Connection(self._freed, self._lost),
                self._connect_timeout_s,
            )
        except Exception as error:
            if not turn.done():
                turn.set_exception(error)
            return
        self._origins[connection] = origin
        self._offer(connection)

    def _drop_oldest(self) -> None:
        """Make room: another server's turn has come."""
        firsts = [idle for idle in self._idle.values() if idle]
        if firsts:
            min(firsts, key=lambda idle: idle[0].idle_since).popleft().abort()

    def _freed(self, connection: Connection) -> None:
        self._room.release()
        self._offer(connection)

    def _offer(self, connection: Connection) -> None:
        """A connection has nothing to do: it is for who has waited for longest, or is kept."""
        origin = self._origins.get(connection)
        if origin is None or not connection.open:
            return
        if self._closed:
            connection.abort()
            return
        row = self._waiting.get(origin)
        while row:
            turn = row.popleft()
            if not turn.done():
                turn.set_result(connection)
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
                if not self._waiting.get(origin):
                    self._waiting.pop(origin, None)
        again = loop.call_later(self._keep_alive_s, self._sweep_idle) if self._idle else None
        self._sweep = again
