"""What has lately come into the slots and left them, and who wants to hear of any change."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["loaded", "woke", "left", "slept", "failed", "lost"]


@dataclass(frozen=True, slots=True)
class Move:
    """An engine has come into a slot, has left it, or could not."""

    number: int
    """The first is 1; each later one has a larger number."""
    kind: Kind
    engine: str
    slot: str
    at: float
    """When it was over, in seconds since 1970."""
    seconds: float
    """How long it took."""
    why: str = ""
    """What it was for, or why it failed."""


class Happenings:
    """The last moves of a pool; the oldest are forgotten."""

    def __init__(self, at_most: int, clock: Callable[[], float] = time.time) -> None:
        self._moves: deque[Move] = deque(maxlen=at_most)
        self._clock = clock
        self._last = 0
        self._adopted = (0.0, 0)
        self.hearers: dict[Callable[[], None], None] = {}
        """Who is called at every change; nobody, most of the time."""

    def note(self, kind: Kind, engine: str, slot: str, seconds: float, why: str = "") -> None:
        """A move is over."""
        self._last += 1
        self._moves.append(Move(self._last, kind, engine, slot, self._clock(), seconds, why))
        self.changed()

    def lost(
        self, slot: str, engines: Iterable[str], why: str = "the slot's process ended"
    ) -> None:
        """A slot is gone, with these in it."""
        for engine in engines:
            self.note("lost", engine, slot, 0.0, why)

    def adopt(self, moves: Iterable[Move]) -> None:
        """Moves that somebody else has noted; those that are known are nothing new.

        They get numbers of our own: whoever noted them may have been restarted.
        """
        for move in moves:
            if (key := (move.at, move.number)) > self._adopted:
                self._adopted = key
                self._last += 1
                self._moves.append(replace(move, number=self._last))

    def after(self, number: int, at_most: int | None = None) -> list[Move]:
        """The moves since that one, the oldest first; with `at_most`, the last of them."""
        found: list[Move] = []
        for move in reversed(self._moves):
            if move.number <= number or len(found) == at_most:
                break
            found.append(move)
        return found[::-1]

    @contextmanager
    def heard_by(self, hearer: Callable[[], None]) -> Iterator[None]:
        """Inside the context, call this at every change. It must be quick, and look later."""
        self.hearers[hearer] = None
        try:
            yield
        finally:
            del self.hearers[hearer]

    def changed(self) -> None:
        """Something about slots or queues is otherwise; called for every request."""
        for hearer in self.hearers:
            hearer()
