"""A kept-alive connection to a server, with at most one request on its way."""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
import httpx

from experts.wire.response import MOST_UNREAD, Response

MOST_HEAD = 1 << 18
"""Bytes of an answer's head."""
_INTERIM = range(100, 200)
_LENIENT = {
    "lenient_headers": True,
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
}
"""What real servers get wrong and every client forgives."""


class Connection(asyncio.Protocol):
    """Reads answers; whoever asks must know that it is free."""

    def __init__(
        self, freed: Callable[["Connection"], None], lost: Callable[["Connection"], None]
    ) -> None:
        """`freed` is called when the answer to a request has ended, however it did."""
        self._freed = freed
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**_LENIENT)
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timeout_s = 0.0
        self._heard = 0.0
        self._paused = False
        self._head_bytes = 0
        self._interim = False
        self._ends_with_connection = False
        self.idle_since = 0.0

    @property
    def open(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes, timeout_s: float) -> Response:
        """Send a whole request; `timeout_s` is the longest silence that is waited out."""
        assert self._transport is not None
        assert self._response is None
        self._response = response = Response(self.abort, self._resume)
        self._head_bytes = 0
        self._timeout_s = timeout_s
        self._heard = now = self._loop.time()
        # Left as it is by the next request, and by its end: to set one takes longer than to look.
        if self._timer is None or now + timeout_s < self._timer.when():
            self._end_watch()
            self._timer = self._loop.call_at(now + timeout_s, self._watch)
        self._transport.write(request)
        return response

    def abort(self, why: str = "the answer is not wanted any more") -> None:
        """Drop the connection, and the answer that is on its way."""
        self._fail(httpx.ReadError(why))
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop has transport classes of its own, so that there is no class to check for.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        response = self._response
        if response is not None and response.status and self._ends_with_connection and not error:
            response.end()
            self._free()
            response.wake()
        elif response is not None:
            self._fail(httpx.RemoteProtocolError(f"closed in mid-answer ({error or 'no reason'})"))
        self._end_watch()
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            self.abort()  # Nobody has asked.
            return
        self._heard = self._loop.time()
        try:
            self._parser.feed_data(data)
            if not response.status:
                self._bound_head(len(data))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(str(error)))
            self.abort()
            return
        response.wake()
        if response.unread > MOST_UNREAD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_begin(self) -> None:
        """The head of an answer begins."""
        self._interim = self._ends_with_connection = False
        if self._response is not None:
            self._response.headers = {}
        elif self._transport is not None:
            self._transport.abort()  # A second answer to one request.

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head, or behind the body, where it does not count."""
        if self._response is None or self._response.status:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self._response.headers.get(key)
        self._response.headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self._response is None:
            return
        status = self._parser.get_status_code()
        self._interim = status in _INTERIM
        if self._interim:
            return
        headers = self._response.headers
        self._ends_with_connection = not (
            "content-length" in headers or "transfer-encoding" in headers
        )
        self._response.status = status

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._response is not None:
            self._response.feed(body)

    def on_message_complete(self) -> None:
        """The end of an answer, or of one that only says that another one follows."""
        if self._interim or self._response is None:
            return
        self._response.end()
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        self._free()

    def _bound_head(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > MOST_HEAD:
            raise httptools.HttpParserError("a head without end")

    def _resume(self) -> None:
        if self._paused and self.open and self._transport is not None:
            self._heard = self._loop.time()
            self._transport.resume_reading()
        self._paused = False

    def _watch(self) -> None:
        """Whether the silence has been too long; that of a slow reader does not count."""
        if self._response is None:
            self._timer = None
            return
        now = self._loop.time()
        left = self._timeout_s if self._paused else self._heard + self._timeout_s - now
        if left > 0:
            self._timer = self._loop.call_later(left, self._watch)
            return
        self._fail(httpx.ReadTimeout(f"silent for {self._timeout_s:g} s"))

    def _end_watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, error: Exception) -> None:
        if (response := self._response) is not None:
            if self._transport is not None:
                self._transport.abort()
            self._free()
            response.fail(error)

    def _free(self) -> None:
        """Let go of the answer, whose reader may still have some of it to read."""
        self._response = None
        if self._paused:
            self._paused = False
            if self.open and self._transport is not None:
                self._transport.resume_reading()
        self._freed(self)
