"""SIGINT, SIGTERM: the first asks for an orderly end, the second ends at once; SIGHUP: reload."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_HANDLED = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """A signal came before the work was done; the work has been cancelled."""


class StopSignals:
    """Takes the signals while it is open. Make it on the event loop, in the main thread."""

    def __init__(self) -> None:
        self.first: int | None = None
        """The signal that has asked for the end."""
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        # Not the loop's own handlers: what blocks the loop would also hold up the second signal.
        self._before = {number: signal.signal(number, self._handle) for number in _HANDLED}
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """What a process says whose work was interrupted by the first signal."""
        return 128 + (self.first or 0)

    async def wait(self) -> None:
        """Return when a signal has come."""
        await self._asked.wait()

    async def hung_up(self) -> None:
        """Return when SIGHUP has come, once for all that came since the last time."""
        await self._hung_up.wait()
        self._hung_up.clear()

    async def unless_asked(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work, or cancel it when a signal comes. Raises Interrupted."""
        task, asked = asyncio.create_task(work), asyncio.create_task(self.wait())
        await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        task.cancel()  # Once, if it is not done: a second one would break off the clean-up.
        try:
            return await task
        except (asyncio.CancelledError, Exception) as error:
            if self.first is None:
                raise
            raise Interrupted from error

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._hung_up.set)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.first is not None:
            os._exit(128 + number)  # What this process has started ends with it.
        self.first = number
        self._loop.call_soon_threadsafe(self._asked.set)
