"""Keeps a stream that has not begun alive, with comments that say what it is waiting for."""

import asyncio
from collections.abc import Callable

from starlette.types import Message, Send


class WaitNotes:
    """Comments in an event stream whose answer has not begun.

    Until `after_s` have passed this is one timer and nothing else. Then the response's head goes
    out, and at once and every `interval_s` a comment, which clients of the protocol must skip.
    """

    def __init__(
        self,
        send: Send,
        head: Callable[[], Message],
        words: Callable[[], str],
        interval_s: float,
    ) -> None:
        self.head_sent = False
        self._send = send
        self._head = head
        self._words = words
        self._interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self._talk: asyncio.Task[None] | None = None

    def begin(self, after_s: float) -> None:
        """Start the clock."""
        self._timer = asyncio.get_running_loop().call_later(after_s, self._start_talking)

    def stop(self) -> None:
        """Send no more comments, though one may still be on its way out."""
        if self._timer is not None:
            self._timer.cancel()
        if self._talk is not None:
            self._talk.cancel()

    async def end(self) -> None:
        """Send no more; when this returns, others may. `head_sent` says what they must omit."""
        self.stop()
        if self._talk is not None:
            await asyncio.wait([self._talk])

    def _start_talking(self) -> None:
        self._talk = asyncio.create_task(self._talk_on())

    async def _talk_on(self) -> None:
        await self._send(self._head())
        self.head_sent = True
        while True:
            comment = f": {self._words()}\n\n".encode()
            await self._send({"type": "http.response.body", "body": comment, "more_body": True})
            await asyncio.sleep(self._interval_s)
