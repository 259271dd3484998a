"""Which answers say the same, found in a child process where that takes algebra or a test.

The child (`equality_worker.py`) has bounds on time, memory and files: an answer may be hostile.
"""

import ast
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from aggregators.algebra import comparing
from aggregators.answers.extraction import Kind, canonical, extract
from aggregators.answers.values import unwarned

CHILD = Path(__file__).with_name("equality_worker.py")
SECONDS = 10.0
AT_ONCE = 2
"""Children that run at once, whoever asks, unless `limit_children` says otherwise."""
MOST_RESULT = 1 << 20


class _Places:
    """Bounds the children of all calls together; each event loop has its own places."""

    def __init__(self) -> None:
        self.at_once = AT_ONCE
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    def limit(self, at_once: int) -> None:
        """Children that start from now on find so many places."""
        self.at_once = at_once
        self._by_loop.clear()

    def here(self) -> asyncio.Semaphore:
        """The places of the running loop."""
        loop = asyncio.get_running_loop()
        return self._by_loop.setdefault(loop, asyncio.Semaphore(self.at_once))


_PLACES = _Places()


def limit_children(at_once: int) -> None:
    """Let at most so many children run at once in this process; further checks wait."""
    _PLACES.limit(at_once)


async def labels(kind: Kind, texts: Sequence[str], tests: Sequence[str] = ()) -> list[str | None]:
    """What each answer says, equal where answers are; None for one that cannot be read.

    Of code, with `tests` (statements of Python, which are run), only those that pass most tests
    have a label; without, programs are compared as they are written.
    """
    values = [extract(kind, text) for text in texts]
    if kind == "latex":
        return await _by_algebra(values)
    if kind == "code":
        return (
            await _by_tests(values, tests)
            if tests
            else [value and _tree(value) for value in values]
        )
    return values


def same(kind: Kind, text: str, answer: str) -> bool:
    """Whether an answer concludes with the right one, which is written as it is.

    For scorers, which may wait: of mathematics, a pair that differs in writing takes a few
    milliseconds in a child process.
    """
    value = extract(kind, text)
    return value is not None and equal(kind, value, answer)


def equal(kind: Kind, value: str, answer: str) -> bool:
    """Whether a value, which has been read from an answer, is the right one."""
    wanted = canonical(kind, answer)
    if wanted is None:
        return False
    return value == wanted or (kind == "latex" and comparing.equal(wanted, value))


async def passes(program: str, tests: Sequence[str]) -> tuple[bool, ...]:
    """Which tests hold after the program; a program that hangs or dies fails those left."""
    found = await _child({"do": "test", "program": program, "tests": list(tests)})
    held = [one is True for one in found]
    return (*held[: len(tests)], *(False for _ in range(len(tests) - len(held))))


async def _by_algebra(values: Sequence[str | None]) -> list[str | None]:
    """Each value as the first one that is equal to it (math-verify)."""
    different = list(dict.fromkeys(value for value in values if value is not None))
    if len(different) < 2:
        return list(values)
    found = await _child({"do": "compare", "values": different})
    same = found[0] if found and len(found[0]) == len(different) else different
    first = dict(zip(different, same, strict=True))
    return [None if value is None else str(first[value]) for value in values]


async def _by_tests(programs: Sequence[str | None], tests: Sequence[str]) -> list[str | None]:
    different = list(dict.fromkeys(program for program in programs if program is not None))
    found = await asyncio.gather(*(passes(program, tests) for program in different))
    held = dict(zip(different, found, strict=True))
    most = max((sum(one) for one in held.values()), default=0)
    if not most:
        return [None for _ in programs]
    return [
        f"passes {most} of {len(tests)} tests" if p is not None and sum(held[p]) == most else None
        for p in programs
    ]


def _tree(program: str) -> str:
    """The program without comments and layout, where it is Python."""
    try:
        with unwarned():
            return ast.unparse(ast.parse(program))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return program


async def _child(task: dict[str, Any]) -> list[Any]:
    """What the child has found until it ended, took too long, or died."""
    async with _PLACES.here():
        said = await _said(task)
    lines = said[:MOST_RESULT].decode(errors="replace").splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        return []


async def _said(task: dict[str, Any]) -> bytearray:
    """What a child of its own prints; its seconds begin when it has a place."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(CHILD),
            cwd=folder,
            env={},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        said = bytearray()
        try:
            async with asyncio.timeout(SECONDS):
                await _talk(process, json.dumps(task).encode(), said)
        except (TimeoutError, OSError):
            pass  # What it said until then counts.
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # What it has started, too.
            await process.wait()
    return said


async def _talk(process: asyncio.subprocess.Process, task: bytes, said: bytearray) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(task)
    process.stdin.close()
    while piece := await process.stdout.read(MOST_RESULT):
        said += piece
        if len(said) > MOST_RESULT:
            return
