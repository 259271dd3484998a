"""The child process of `searching.py`: reads patterns and texts, says what matches.

It imports nothing of ours, so that it starts fast. `re` looks for signals while it searches.
"""

import json
import os
import re
import resource
import signal
import sys

MEMORY = 1 << 30


class _TooLong(Exception):
    pass


def _stop(*_: object) -> None:
    raise _TooLong


def search(
    pattern: str, text: str, which: str, flags: int, seconds: float
) -> tuple[str, str | None]:
    """A status, found, slow or wrong, and what matches, or what is wrong with the pattern."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        compiled = re.compile(pattern, flags)
        found = compiled.fullmatch(text) if which == "whole" else None
        if which != "whole":
            for found in compiled.finditer(text):  # noqa: B007 (the last one is kept)
                if which == "first":
                    break
        taken = [group for group in found.groups() if group is not None] if found else []
        return "found", found and (taken[0] if taken else "" if compiled.groups else found[0])
    except _TooLong:
        return "slow", None
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        return "wrong", f"{type(error).__name__} {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    """One line of JSON for each line that is read."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _stop)
    os.write(sys.stdout.fileno(), b'"ready"\n')
    for line in sys.stdin:
        os.write(sys.stdout.fileno(), json.dumps(search(*json.loads(line))).encode() + b"\n")


if __name__ == "__main__":
    main()
