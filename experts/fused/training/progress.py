"""Progress lines: at least one every two seconds, however long a step takes."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

QUIET_S = 1.5
"""After this much silence the last line is written again."""


class Voice:
    """Passes lines on, at most one in `QUIET_S` seconds; as a context it also repeats the last one.

    A thread repeats it: torch releases the interpreter lock while it computes.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._started = clock()
        self._spoke = float("-inf")
        self._doing = "starting"
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Voice":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """The seconds since this object was made."""
        return self._clock() - self._started

    def say(self, text: str) -> None:
        """Write a line if the last one is old enough; otherwise keep it for the next silence."""
        with self._lock:
            self._doing = text
            if self._clock() - self._spoke >= QUIET_S:
                self._line(text)

    def tell(self, text: str) -> None:
        """Write a line that must not be skipped."""
        with self._lock:
            self._doing = text
            self._line(text)

    def _line(self, text: str) -> None:
        self._spoke = self._clock()
        self._write(f"{self.seconds:7.1f} s  {text}")

    def _tick(self) -> None:
        while not self._over.wait(QUIET_S / 4):
            with self._lock:
                if self._clock() - self._spoke >= QUIET_S:
                    self._line(f"... {self._doing}")
