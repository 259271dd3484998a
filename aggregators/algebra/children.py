"""Child processes that answer one question after the other, and are ended where one takes long.

A child reads a JSON line and writes one; it says `"ready"` first. It lives on for the next question
and ends with its input, so with this process.
"""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

START_S = 60.0
"""Seconds in which a child must have imported what it needs."""
MOST_ANSWER = 1 << 20
MOST_QUESTIONS = 5_000
"""Questions after which a child is replaced, so that what its libraries keep does not grow."""


class Silent(Exception):
    """A child died, or took longer than it may."""


class _Child:
    """One process and its pipes."""

    def __init__(self, command: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            command,
            cwd=self._folder.name,
            env={},
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.asked = 0
        try:
            self._line(START_S)
        except Silent:
            self.end()
            raise

    def ask(self, question: Any, seconds: float) -> Any:
        """Its answer. Raises Silent."""
        assert self._process.stdin is not None
        self.asked += 1
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
        except OSError as error:
            raise Silent from error
        return json.loads(self._line(seconds))

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._folder.cleanup()

    def _line(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        until = time.monotonic() + seconds
        said = bytearray()
        while not said.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise Silent
            piece = os.read(pipe, MOST_ANSWER)
            said += piece
            if not piece or len(said) > MOST_ANSWER:
                raise Silent
        return bytes(said)


class Children:
    """At most `at_once` children of one script, shared by all threads of this process."""

    def __init__(self, script: Path, arguments: Sequence[str] = (), at_once: int = 2) -> None:
        self._command = (sys.executable, "-I", str(script), *arguments)
        self._places = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._idle: list[_Child] = []

    def ask(self, question: Any, seconds: float) -> Any:
        """What a child answers within some seconds; its start does not count. Raises Silent."""
        with self._places:
            child = self._take()
            try:
                answer = child.ask(question, seconds)
            except BaseException:
                child.end()
                raise
            if child.asked >= MOST_QUESTIONS:
                child.end()
            else:
                with self._lock:
                    self._idle.append(child)
            return answer

    def close(self) -> None:
        """End those that wait for a question; the next question starts one again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _take(self) -> _Child:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Child(self._command)
