"""Clients that let a connection wait and are cut off, and those for whom there is none."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

from orchestrator.server.wire.bounds import ClientBounds

LINGER_S = 1.0
"""How long a client that is refused may take to read why."""
MOST_LEAVING = 256
"""How many of them are waited for; further ones are not told."""


class Patience:
    """Looks from time to time whether a client has let us wait for too long.

    One timer for the whole of a connection, which is not moved by what comes: when it fires, it
    asks since when we wait, and is set again for what is left.
    """

    def __init__(
        self, seconds: float, waiting_since: Callable[[], float | None], cut_off: Callable[[], None]
    ) -> None:
        """`waiting_since` is the loop's time since which the client is to send; None: it is not."""
        self._seconds = seconds
        self._waiting_since = waiting_since
        self._cut_off = cut_off
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._look)

    def end(self) -> None:
        """The connection is gone."""
        self._timer.cancel()

    def _look(self) -> None:
        since = self._waiting_since()
        left = self._seconds if since is None else since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._cut_off()


class Flow(FlowControl):
    """uvicorn's flow control; knows since when it has let the client send again."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._loop = asyncio.get_running_loop()
        self.resumed = 0.0

    def resume_reading(self) -> None:
        """Take more from the client."""
        if self.read_paused:
            self.resumed = self._loop.time()
            super().resume_reading()


class Refusal(asyncio.Protocol):
    """A connection for which there is no room: it hears why, and what it sends is thrown away.

    If it were closed at once, what it has sent unread would make its system forget our words.
    """

    def __init__(self, transport: asyncio.Transport, bounds: ClientBounds) -> None:
        bounds.refused.add()
        transport.set_protocol(self)
        self._leaving = bounds.leaving
        if len(self._leaving) >= MOST_LEAVING:
            transport.abort()
            return
        self._leaving.add(self)
        transport.write(bounds.too_many)
        transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._leaving.discard(self)
