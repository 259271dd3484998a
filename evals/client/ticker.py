"""The sign of life of `evals.client.progress`, as a process that nothing in its parent can hold up.

Starting Ray holds Python's lock for seconds, so that no thread of the parent could speak.
It is run by its path, with nothing but the standard library, and ends with its stdin.
"""

import os
import select
import signal
import sys
import time

QUIET_S = 1.3
POLL_S = 0.25
CLEAR_LINE = "\r\x1b[K"


class Ticker:
    """What to write, and when: `started` and `now` are seconds of the same clock."""

    def __init__(self, started: float, terminal: bool) -> None:
        self._started = started
        self._terminal = terminal
        self._doing = "starting"
        self._spoke = started

    def hear(self, line: str, now: float) -> None:
        """Take a line from the parent: `doing WHAT`, or `spoke` when it has printed a line."""
        word, _, rest = line.partition(" ")
        if word == "doing":
            self._doing = rest
        else:
            self._spoke = now

    def tick(self, now: float) -> str:
        """What to write now, if anything: a further line, or on a terminal the same one anew."""
        text = f"{now - self._started:6.1f} s  ... {self._doing}"
        if self._terminal:
            return CLEAR_LINE + text[: os.get_terminal_size().columns - 1]
        if now - self._spoke < QUIET_S:
            return ""
        self._spoke = now
        return text + "\n"


def main() -> None:
    """Tick until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us.
    ticker = Ticker(float(sys.argv[1]), sys.argv[2] == "terminal")
    rest = ""
    while True:
        if select.select([0], [], [], POLL_S)[0]:
            piece = os.read(0, 65536).decode(errors="replace")
            if not piece:
                return
            *lines, rest = (rest + piece).split("\n")
            for line in lines:
                ticker.hear(line, time.monotonic())
        sys.stdout.write(ticker.tick(time.monotonic()))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
