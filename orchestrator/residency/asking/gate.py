"""The bounded queue before an expert of another server; ours wait in the machine."""

import asyncio
import time
from collections import deque

from experts.errors import ExpertOverloaded

Waiter = tuple[asyncio.Future[None], float]
"""Who waits, and since when."""


class Gate:
    """Bounds the requests of one expert that are under way, and those that wait.

    Those of a class without an age bound are `unhurried`: they let the others pass, and where the
    queue is full, the last of them gives its place to one that has a bound.
    """

    def __init__(self, expert: str, at_once: int, max_queued: int) -> None:
        self._expert = expert
        self._free = at_once
        self._max_queued = max_queued
        self._hurried: deque[Waiter] = deque()
        self._unhurried: deque[Waiter] = deque()

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._hurried) + len(self._unhurried)

    def entered(self) -> bool:
        """Have a turn at once, which `leave` gives back; False where there is none."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def enter(self, unhurried: bool) -> None:
        """Wait for a turn, which `leave` gives back. Raises ExpertOverloaded for a full queue."""
        if self.entered():
            return
        if self.queued >= self._max_queued and (unhurried or not self._displace()):
            raise self._full(f"{self.queued} requests wait for expert {self._expert} already.")
        queue = self._unhurried if unhurried else self._hurried
        waiter = (asyncio.get_running_loop().create_future(), time.monotonic())
        queue.append(waiter)
        try:
            await waiter[0]
        except asyncio.CancelledError:
            if waiter in queue:
                queue.remove(waiter)
            elif not waiter[0].cancelled() and waiter[0].exception() is None:
                self.leave()  # Its turn had come in that very moment.
            raise

    def leave(self) -> None:
        """A request is over: the next one begins."""
        for queue in (self._hurried, self._unhurried):
            while queue:
                waiter, _ = queue.popleft()
                if not waiter.done():  # Else its client leaves in this very moment.
                    waiter.set_result(None)
                    return
        self._free += 1

    def _displace(self) -> bool:
        """The last one without an age bound leaves the queue; False where there is none."""
        if not self._unhurried:
            return False
        waiter, _ = self._unhurried.pop()
        if not waiter.done():
            words = f"Others that may wait less took its place before {self._expert}."
            waiter.set_exception(self._full(words))
        return True

    def _full(self, words: str) -> ExpertOverloaded:
        """The one that has waited longest tells about how long others will, at least."""
        oldest = min(
            (queue[0][1] for queue in (self._hurried, self._unhurried) if queue), default=None
        )
        waited_s = None if oldest is None else time.monotonic() - oldest
        return ExpertOverloaded(words, expert=self._expert, retry_after_s=waited_s)
