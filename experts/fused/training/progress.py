"""What a training tells of itself, at most a line every ten seconds."""

import time
from collections.abc import Callable

QUIET_S = 10.0
"""The shortest time between two lines about how far it is."""


class Voice:
    """Passes lines on; a command may put its own in the place of this one."""

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._started = clock()
        self._spoke = float("-inf")

    def say(self, text: str, done: int = 0, total: int | None = None) -> None:
        """Tell how far the training is, and how much of `total` is `done`: not every line stays."""
        if self._clock() - self._spoke >= QUIET_S:
            share = "" if total is None else f", {100 * done // max(total, 1)} %"
            self.tell(f"{text}{share}")

    def tell(self, text: str) -> None:
        """Write a line that must not be left out."""
        self._spoke = self._clock()
        self._write(f"{self._spoke - self._started:7.1f} s  {text}")
