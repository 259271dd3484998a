"""Telling what is going on, so that a wait is never silent for two seconds."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from rich.console import Console

from evals.client import ticker


class Progress:
    """Timed lines; as a context also a sign of life between them (`evals.client.ticker`)."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._started = clock()
        self._ticker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Progress":
        kind = "terminal" if self.console.is_terminal else "plain"
        # By its path and without site-packages: it has to be there before anything slow begins.
        command = [sys.executable, "-S", "-E", ticker.__file__, str(self._started), kind]
        self._ticker = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ticker is not None and self._ticker.stdin is not None:
            self._ticker.stdin.close()
            self._ticker.wait()
            self._ticker = None
        self._clear()

    @property
    def seconds(self) -> float:
        """Since this object was made."""
        return self._clock() - self._started

    def say(self, text: str) -> None:
        """Print a line with the time."""
        self._clear()
        line = f"{self.seconds:6.1f} s  {text}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._tell("spoke")

    def doing(self, text: str) -> None:
        """Change what the sign of life says is under way."""
        self._tell(f"doing {' '.join(text.split())}")

    def _tell(self, line: str) -> None:
        if self._ticker is None or self._ticker.stdin is None:
            return
        # A sign of life that was killed must not end the work that it speaks of.
        with suppress(BrokenPipeError):
            self._ticker.stdin.write(f"{line}\n".encode())

    def _clear(self) -> None:
        if self.console.is_terminal:
            self.console.file.write(ticker.CLEAR_LINE)
