"""The child process of `comparing.py`: reads pairs of expressions, says which are equal.

It imports nothing of ours, so that it starts fast.
"""

import json
import os
import resource
import signal
import sys
from functools import lru_cache
from typing import Any

MEMORY = 2 << 30
FILE_BYTES = 1 << 20


class _TooLong(BaseException):
    """Nobody catches it on the way: libraries catch every Exception."""


def _stop(*_: object) -> None:
    raise _TooLong


def main() -> None:
    """One line of JSON for each line that is read."""
    from math_verify import parse, verify  # noqa: PLC0415 (whoever imports this module needs none)

    seconds = float(sys.argv[1])
    out = os.dup(sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_RDWR), sys.stdout.fileno())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, _stop)

    @lru_cache(maxsize=1_024)
    def read(value: str) -> Any:
        return parse(f"${value}$", parsing_timeout=None)

    def same(wanted: str, value: str) -> bool:
        # The library's own alarms would be caught by the library.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return bool(verify(read(wanted), read(value), timeout_seconds=None))
        except (_TooLong, Exception):
            return False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    os.write(out, b'"ready"\n')
    for line in sys.stdin:
        os.write(out, json.dumps(same(*json.loads(line))).encode() + b"\n")


if __name__ == "__main__":
    main()
