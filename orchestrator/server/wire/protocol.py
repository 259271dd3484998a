"""The HTTP protocol of a connection, and the settings of uvicorn around it.

httptools reads a request in a third of the time that h11 takes. Two kinds of requests it does not
read as the standard has it, and they are mended here: those that offer an upgrade, and HTTP/1.0.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from orchestrator.server.wire.bounds import ClientBounds
from orchestrator.server.wire.exchange import Exchange
from orchestrator.server.wire.old_protocol import OldProtocol
from orchestrator.server.wire.patience import Flow, Patience, Refusal

KEEP_ALIVE_S = 75
"""How long an idle connection stays open: longer than load balancers keep theirs."""
SHUTDOWN_S = 5
"""How long the listener waits for connections to close, when answers no longer matter."""
MOST_REQUEST_LINE = 1 << 16
"""Bytes of a request's first line; httptools refuses longer ones itself."""
INVALID = "Invalid HTTP request received."
NOTHING, HEAD, BODY = range(3)
_UPGRADE = (b"upgrade", b"http2-settings")


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools.

    An offer to upgrade (`h2c`, `websocket`) is ignored, as RFC 9110 (7.8) lets a server do:
    httptools would take the body for the first bytes of the other protocol. A client of HTTP/1.0
    is left to h11, which frames no chunks for it; its version shows in a connection's first line.
    A client that begins a request and does not go on is cut off.
    """

    bounds = ClientBounds()
    flow: Flow

    _first: bytes | None = b""
    """What has come of the first line; None once it is known."""
    _exchange: Exchange | None = None
    """The last request that was begun, and its answer."""
    _patience: Patience | None = None
    _reading: int = HEAD
    """What of a request is to come."""
    _begun = 0.0
    """When the head began that is being read."""
    _heard = 0.0
    """When bytes came last."""
    _idle_since: float | None = None
    """When the last answer ended, if no further request has begun since."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        if len(self.connections) >= self.bounds.connections:
            Refusal(transport, self.bounds)
            return
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._begun = self.loop.time()
        self._patience = Patience(self.bounds.timeout_s, self._waiting_since, self._cut_off)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard = self.loop.time()
        if self._first is not None:
            data = self._first + data
            line, ended, _ = data.partition(b"\n")
            if not ended and len(data) < MOST_REQUEST_LINE:
                self._first = data
                return
            self._first = None
            if line.rstrip(b"\r").endswith(b" HTTP/1.0"):
                self._leave_to_h11(data)
                return
        self._idle_since = None
        while data:
            data = self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        """Parse; returns what is to be parsed next: a request without its offer to upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.scope["method"] != "CONNECT":  # A tunnel is no offer: there is no other way.
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                return self._head() + data[upgrade.args[0] :]
            self.send_400_response(INVALID)
        except httptools.HttpParserError:
            self.send_400_response(INVALID)
        return b""

    def _head(self) -> bytes:
        """The head of the request that has just been read, as it would be without its offer."""
        lines = [self.scope["method"].encode() + b" " + self.url + b" HTTP/1.1"]
        for name, value in self.headers:
            if name == b"connection":
                told = (one.strip() for one in value.split(b","))
                value = b", ".join(one for one in told if one.lower() not in _UPGRADE)
            if name not in _UPGRADE and (value or name != b"connection"):
                lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; of the requests on it, one is being answered."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn leaves it where the client broke off.
        if self._patience is not None:
            self._patience.end()
        if self._exchange is not None:
            self._exchange.departed()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._exchange = exchange = Exchange(app, cycle)  # type: ignore[arg-type]
        super()._start_asgi_task(cycle, exchange)  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._reading == NOTHING:
            self._begun = self._heard
        self._reading = HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is complete; one with an offer comes again without it."""
        if self.parser.should_upgrade():
            self.scope["method"] = self.parser.get_method().decode("ascii")
        else:
            self._reading = BODY
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if not self.parser.should_upgrade():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self.parser.should_upgrade():
            self._reading = NOTHING
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer has ended: the next request on the connection begins, or is waited for.

        As uvicorn does it, but with one timer, which is not moved by every request.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_for_requests(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has not been used for long."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # The end of what is under way sets it again.
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._wait_for_requests(left)
        elif not self.transport.is_closing():
            self.transport.close()

    def _wait_for_requests(self, seconds: float) -> None:
        handler = self.timeout_keep_alive_handler
        self.timeout_keep_alive_task = self.loop.call_later(seconds, handler)

    def _waiting_since(self) -> float | None:
        """Since when the rest of a head is awaited, or the next bytes of a body."""
        cycle = self.cycle
        if self._reading == BODY:
            if self.flow.read_paused or cycle.waiting_for_100_continue:
                return None
            return max(self._heard, self.flow.resumed)
        answered = cycle is None or cycle.response_complete
        return max(self._begun, self.flow.resumed) if self._reading == HEAD and answered else None

    def _cut_off(self) -> None:
        """End a connection that waits for its client; the application hears that it has left."""
        if self.transport.is_closing():
            return
        if self._heard:  # Browsers open connections that they may need: no word of these.
            self.bounds.cut_off.add()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.write(self.bounds.too_slow)
        elif self._reading == HEAD and self._heard:
            self.transport.write(self.bounds.too_slow)
        self.transport.close()

    def _leave_to_h11(self, data: bytes) -> None:
        self.connections.discard(self)
        old = OldProtocol(self.config, self.server_state, self.app_state)
        old.bounds = self.bounds
        old.connection_made(self.transport)
        if self._patience is not None:
            self._patience.end()
        self.transport.set_protocol(old)
        old.data_received(data)


LISTENER: Mapping[str, Any] = {
    "http": Protocol,
    "interface": "asgi3",
    "proxy_headers": False,  # The application has a layer for them.
    "ws": "none",  # There is no WebSocket here: an offer of one is not taken up.
    "lifespan": "off",
    "log_level": "error",
    "access_log": False,
    "timeout_keep_alive": KEEP_ALIVE_S,
    "timeout_graceful_shutdown": SHUTDOWN_S,
    "server_header": False,
}
"""The settings of uvicorn's `Config`."""
