"""One request and its answer on a connection: how it is written, and who learns of a departure."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_EXCHANGE = "coterie.exchange"
_FRAMING = frozenset({b"transfer-encoding", b"connection"})
_EMPTY = (204, 304)
"""Statuses of answers that never have a body."""


class Exchange:
    """The application of one cycle of uvicorn's, around ours.

    It writes the head of an answer together with the beginning of its body: a packet of its own
    costs as much as all that is sent. What our answers never have is left to uvicorn.
    """

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle
        self._on_departure: Callable[[], None] | None = None
        self._plain = False
        self._head = b""
        self._chunked = False
        self._left = 0
        """Bytes of the body that are still to come, where that is told."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope[_EXCHANGE] = self
        return self._app(scope, receive, send if scope["method"] == "HEAD" else self.send)

    def watch(self, gone: Callable[[], None]) -> Callable[[], None]:
        """`watch_departure`."""
        if self._cycle.disconnected:
            asyncio.get_running_loop().call_soon(self.departed)
        self._on_departure = gone
        return self._unwatch

    def departed(self) -> None:
        """The connection is gone."""
        if self._on_departure is not None:
            self._on_departure()

    async def send(self, message: Message) -> None:
        """ASGI's `send`."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        if message["type"] == "http.response.start" and not cycle.response_started:
            fields = {name.lower(): value for name, value in message["headers"]}
            self._plain = not _FRAMING.isdisjoint(fields)
            if not self._plain:
                length = fields.get(b"content-length")
                self._begin(message["status"], message["headers"], length)
                return
        begun = cycle.response_started and not cycle.response_complete
        if self._plain or not begun or message["type"] != "http.response.body":
            await cycle.send(message)  # type: ignore[arg-type]
            return  # uvicorn says what is wrong with one that cannot be sent now.
        self._write(message.get("body", b""), more=message.get("more_body", False))

    def _begin(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], length: bytes | None
    ) -> None:
        cycle = self._cycle
        fields = [*cycle.default_headers, *headers]
        self._chunked = length is None and status not in _EMPTY
        self._left = int(length or 0)
        if not cycle.keep_alive:
            fields.append((b"connection", b"close"))
        if self._chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        block = b"\r\n".join([*map(b": ".join, fields), b""])
        if not len(fields) == block.count(b"\n") == block.count(b"\r") or b"\0" in block:
            raise RuntimeError("Invalid HTTP header value.")
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        self._head = STATUS_LINE[status] + block + b"\r\n"

    def _write(self, body: bytes, *, more: bool) -> None:
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            data = data if more else data + b"0\r\n\r\n"
        else:
            data = body
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("The body is not as long as its content-length says.")
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._cycle.transport.write(data)
        if not more:
            self._end()

    def _end(self) -> None:
        cycle = self._cycle
        self._on_departure = None
        # The cycle has the scope: all of them would stay until garbage is looked for.
        cycle.scope.pop(_EXCHANGE, None)  # type: ignore[misc]
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def _unwatch(self) -> None:
        self._on_departure = None


def watch_departure(scope: Scope, receive: Receive, gone: Callable[[], None]) -> Callable[[], None]:
    """Call `gone` when the client closes the connection, until what is returned is called.

    The body of the request must have been read.
    """
    exchange: Exchange | None = scope.get(_EXCHANGE)
    if exchange is not None:
        return exchange.watch(gone)
    # Another server than ours tells it only to who asks.
    waiting = asyncio.create_task(_wait(receive, gone))

    def unwatch() -> None:
        waiting.cancel()

    return unwatch


def detach(scope: Scope) -> None:
    """From now on, the request outlives its client, and has the body that `receive` gives."""
    scope.pop(_EXCHANGE, None)


async def _wait(receive: Receive, gone: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone()
