"""A filter of system calls for a confined program, as the kernel's BPF instructions. Pure.

Denied: sockets, other processes and signals, and what changes the kernel's state; where the program
has no folder of its own, whatever changes files, too. Threads are allowed.
"""

import platform
import struct
from collections.abc import Sequence

from evals.scoring.programs.syscalls import (
    CHANGING_FILES,
    CLONE,
    CLONE3,
    KERNEL,
    LASTING,
    OPEN,
    OPENAT,
    OPENAT2,
    PRLIMIT,
    PROCESSES,
    SOCKETS,
    Numbers,
)

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x4000_0000
"""On x86_64, the second numbering of every call."""

_LOAD, _JUMP_EQUAL, _JUMP_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF_0000, 0x8000_0000
_NOT_PERMITTED, _NOT_THERE = 0x0005_0000 | 1, 0x0005_0000 | 38
_NUMBER, _ARCHITECTURE = 0, 4
_THREAD = 0x0001_0000
_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, and the bit of O_TMPFILE; O_DIRECTORY is no writing."""

Code = list[tuple[int, int, int, int]]


def machine() -> str | None:
    """The kind of machine, where there is a filter for it."""
    name = platform.machine()
    return name if platform.system() == "Linux" and name in ARCHITECTURES else None


def seccomp_filter(machine: str, *, files: bool) -> bytes:
    """The filter for a machine; `files`: whether files may be changed."""
    code: Code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        code += [(_JUMP_LEAST, 0, 1, X32), (_RETURN, 0, 0, _NOT_PERMITTED)]
    denied = (*SOCKETS, *PROCESSES, *KERNEL, *LASTING, *(() if files else CHANGING_FILES))
    for call in _numbers(machine, denied):
        code += _if_called(call, [(_RETURN, 0, 0, _NOT_PERMITTED)])
    # With these the arguments lie in memory, which a filter does not see; C libraries fall back.
    for call in _numbers(machine, (CLONE3, *(() if files else (OPENAT2,)))):
        code += _if_called(call, [(_RETURN, 0, 0, _NOT_THERE)])
    code += _with_argument(machine, CLONE, 0, [(_JUMP_ANY_BIT, 1, 0, _THREAD)])
    # Limits may be read: the third argument is where new ones would be, both halves of it.
    code += _with_argument(
        machine, PRLIMIT, 2, [(_JUMP_EQUAL, 0, 2, 0), (_LOAD, 0, 0, 36), (_JUMP_EQUAL, 1, 0, 0)]
    )
    if not files:
        for opening, place in ((OPEN, 1), (OPENAT, 2)):
            code += _with_argument(machine, opening, place, [(_JUMP_ANY_BIT, 0, 1, _WRITING)])
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *one) for one in code)


def _numbers(machine: str, calls: Sequence[Numbers]) -> list[int]:
    return [number for call in calls if (number := getattr(call, machine)) is not None]


def _if_called(call: int, body: Code) -> Code:
    return [(_JUMP_EQUAL, 0, len(body), call), *body]


def _with_argument(machine: str, call: Numbers, place: int, test: Code) -> Code:
    """Deny a call unless the test of an argument's lower half jumps over the next instruction."""
    body: Code = [
        (_LOAD, 0, 0, 16 + 8 * place),
        *test,
        (_RETURN, 0, 0, _NOT_PERMITTED),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return [part for number in _numbers(machine, [call]) for part in _if_called(number, body)]
