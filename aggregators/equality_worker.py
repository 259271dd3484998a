"""The child process of `equality.py`: reads a task from its input, prints what it found.

It imports nothing of ours, so that it starts fast, and it cannot be trusted once it has run a
program: its bounds are the operating system's.
"""

import contextlib
import io
import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

CPU_S = 8
MEMORY = 2 << 30
FILE_BYTES = 1 << 20


def bound() -> None:
    """Bound what this process may take."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def compare(values: list[str]) -> list[str]:
    """Each value as the first one that it, and all that are equal to that one, are equal to."""
    from math_verify import parse, verify  # noqa: PLC0415 (programs do not need it)

    # Time is bounded from outside; the library's own alarms would only be caught somewhere.
    parsed = [parse(f"${value}$", parsing_timeout=None) for value in values]
    groups: list[list[int]] = []
    found = []
    for number in range(len(values)):
        for group in groups:
            # Of a set and two orders of it, each order is equal to the set: not to each other.
            if all(verify(parsed[one], parsed[number], timeout_seconds=None) for one in group):
                group.append(number)
                break
        else:
            group = [number]
            groups.append(group)
        found.append(values[group[0]])
    return found


def test(program: str, tests: list[str], say: Callable[[bool], None]) -> None:
    """Say which tests hold after the program, one after the other: the next may be the end."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        broken = not _runs(program, names)
        for statement in tests:
            say(not broken and _runs(statement, names))


def _runs(statements: str, names: dict[str, Any]) -> bool:
    try:
        exec(statements, names)  # noqa: S102 (what this process is for)
    except BaseException:
        return False
    return True


def main() -> None:
    """One task."""
    task = json.load(sys.stdin)
    out = os.dup(sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_RDWR), sys.stdout.fileno())
    sys.stdin.close()
    bound()

    def say(found: Any) -> None:
        os.write(out, f"{json.dumps(found)}\n".encode())

    if task["do"] == "compare":
        say(compare(task["values"]))
    else:
        test(task["program"], task["tests"], say)


if __name__ == "__main__":
    main()
