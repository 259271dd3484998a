"""One answer over HTTP: its head, and its body as it arrives."""

import asyncio
from collections.abc import AsyncIterator, Callable

MOST_UNREAD = 1 << 18
"""Bytes of a body that nobody has read yet; the server waits while there are more."""


class Response:
    """What a server answers to one request; it must be closed, or read to its end.

    It has one reader. `begun`, `feed`, `end` and `fail` are for the connection that it comes by.
    """

    __slots__ = (
        "_abort",
        "_error",
        "_over",
        "_pieces",
        "_resume",
        "_waiter",
        "headers",
        "status",
        "unread",
    )

    def __init__(self, abort: Callable[[], None], resume: Callable[[], None]) -> None:
        """`abort` ends the connection; `resume` is called when what was unread has been read."""
        self.status = 0
        """0 until the head is here."""
        self.headers: dict[str, str] = {}
        """By their names in lower case; those that come twice are one list."""
        self.unread = 0
        self._abort = abort
        self._resume = resume
        self._pieces: list[bytes] = []
        self._over = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def more(self) -> bytes:
        """What has arrived of the body since it was asked for last; empty at its end.

        Raises httpx.TransportError where it breaks off.
        """
        while not self._pieces:
            if self._over:
                return b""
            await self.news()
        read, self._pieces = self._pieces, []
        full, self.unread = self.unread > MOST_UNREAD, 0
        if full:
            self._resume()
        return read[0] if len(read) == 1 else b"".join(read)

    async def aclose(self) -> None:
        """Want no more of it: the connection of an answer that has not ended is given up."""
        self.close()

    def close(self) -> None:
        """The same at once."""
        if not self._over and self._error is None:
            self._abort()

    def feed(self, piece: bytes) -> None:
        """A part of the body; `wake` tells the reader."""
        self._pieces.append(piece)
        self.unread += len(piece)

    def end(self) -> None:
        """The body is complete; `wake` tells the reader."""
        self._over = True

    def fail(self, error: Exception) -> None:
        """Nothing more will come."""
        self._error = error
        self.wake()

    def wake(self) -> None:
        """There is news for the reader."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def news(self) -> "asyncio.Future[None]":
        """To be awaited for more of it. Raises httpx.TransportError where none comes."""
        if self._error is not None:
            raise self._error
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        return waiter


class Pieces:
    """The body of a response as it arrives; of async generators, the event loop keeps a ledger."""

    __slots__ = ("_failed", "_response")

    def __init__(self, response: Response, failed: Callable[[Exception], None]) -> None:
        """`failed` may raise another error in place of one that ends the body too early."""
        self._response = response
        self._failed = failed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._response.more()
        except Exception as error:
            self._failed(error)
            raise
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Want no more of it."""
        self._response.close()
