"""A circuit breaker: whether an expert that has failed is to be asked. Pure; time is an argument.

The states are those of Nygard, Release It!, chapter 5: closed (it is asked), open (it is not), and
half open (a few requests find out whether it answers again).
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

BUCKETS = 10
"""Of the window: calls are forgotten a tenth of it at a time."""
SPREAD = 0.5
"""Of the pause, around its middle: gateways do not come back all at the same moment."""


class State(Enum):
    """Whether the expert is asked."""

    CLOSED = "closed"
    HALF_OPEN = "half open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Rules:
    """When it opens, and for how long; the keys under `server.breaker` say the same."""

    failures: int
    share: float
    window_s: float
    open_s: float
    open_max_s: float
    trials: int


class Breaker:
    """Of one expert. Times are seconds on any clock that never goes back."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.opened = 0
        """How often it has opened."""
        self.retry_at = 0.0
        """When it becomes half open, where it is open."""
        self.failures = self.calls = 0
        """Within the window; calls are counted from its first failure on."""
        self._state = State.CLOSED
        self._window: deque[list[float]] = deque()  # Begin, calls, failures of each bucket.
        self._openings_in_a_row = 0
        self._trial = 0  # The number of the half-open phase: of older ones, no word counts.
        self._trying = 0

    def state(self, now: float) -> State:
        """Whether the expert is asked."""
        if self._state is State.OPEN and now >= self.retry_at:
            return State.HALF_OPEN
        return self._state

    def calm(self, now: float) -> bool:
        """Whether nothing has failed within the window."""
        self._forget(now)
        return self._state is State.CLOSED and not self.failures

    def refuses(self, now: float) -> bool:
        """Whether a request may not ask the expert now."""
        state = self.state(now)
        if state is State.HALF_OPEN and self._state is state:
            return self._trying >= self.rules.trials
        return state is State.OPEN

    def enter(self, now: float) -> tuple[bool, int | None]:
        """Whether a request may ask the expert, and the number of the trial if it is one.

        Whoever has such a number gives it back with `left`.
        """
        if self._state is State.CLOSED:
            return True, None
        if self._state is State.OPEN:
            if now < self.retry_at:
                return False, None
            self._state = State.HALF_OPEN
            self._trial += 1
            self._trying = 0
        if self._trying >= self.rules.trials:
            return False, None
        self._trying += 1
        return True, self._trial

    def left(self, trial: int) -> None:
        """A trial is over, whatever came of it."""
        if trial == self._trial and self._state is State.HALF_OPEN:
            self._trying = max(0, self._trying - 1)

    def succeeded(self, now: float, trial: int | None = None) -> bool:
        """A call has had its first token; True if the breaker closes by that."""
        if self._state is State.CLOSED:
            if not self.calm(now):
                self._count(now, failed=False)
            return False
        if self._state is not State.HALF_OPEN or trial != self._trial:
            return False  # It began before: nothing of it tells how the expert does now.
        self._state = State.CLOSED
        self._openings_in_a_row = 0
        return True

    def failed(self, now: float, draw: float, trial: int | None = None) -> bool:
        """A call has failed before its first token; True if the breaker opens by that.

        `draw`, from 0 to 1, decides how long it stays open within the spread.
        """
        if self._state is State.CLOSED:
            self._forget(now)
            self._count(now, failed=True)
            often = self.failures >= self.rules.failures
            if often and self.failures >= self.rules.share * self.calls:
                return self._open(now, draw)
            return False
        if self._state is State.HALF_OPEN and trial == self._trial:
            return self._open(now, draw)
        return False

    def _open(self, now: float, draw: float) -> bool:
        rules = self.rules
        # Not 2 ** n alone: it has no float from 1024 on.
        pause_s = rules.open_s * 2.0 ** min(self._openings_in_a_row, 60)
        spread = 1 - SPREAD / 2 + SPREAD * draw
        self.retry_at = now + min(pause_s * spread, rules.open_max_s)
        self._state = State.OPEN
        self._openings_in_a_row += 1
        self.opened += 1
        self._clear()
        return True

    def _count(self, now: float, *, failed: bool) -> None:
        window = self._window
        if not window or now >= window[-1][0] + self.rules.window_s / BUCKETS:
            window.append([now, 0, 0])
        window[-1][1] += 1
        window[-1][2] += failed
        self.calls += 1
        self.failures += failed

    def _forget(self, now: float) -> None:
        """What is older than the window, and all calls before the first failure that is left."""
        while self._window and self._window[0][0] + self.rules.window_s <= now:
            _, calls, failures = self._window.popleft()
            self.calls -= int(calls)
            self.failures -= int(failures)
        if not self.failures:
            self._clear()

    def _clear(self) -> None:
        self._window.clear()
        self.failures = self.calls = 0
