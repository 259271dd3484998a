"""Keeps what a library written in C prints out of the standard output, which pipes read."""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STDOUT, STDERR = 1, 2
_ONE_AT_A_TIME = threading.Lock()
"""The descriptors belong to the process: a second thread would keep the wrong one."""


@contextmanager
def native_output_to_stderr() -> Iterator[None]:
    """Whatever the process writes to descriptor 1 meanwhile goes to the standard error."""
    with _ONE_AT_A_TIME:
        try:
            kept = os.dup(STDOUT)
        except OSError:  # It is closed: nobody reads it.
            yield
            return
        _flush()
        try:
            os.dup2(STDERR, STDOUT)
            yield
        finally:
            _flush()  # C keeps what it prints until its buffer is full.
            os.dup2(kept, STDOUT)
            os.close(kept)


def _flush() -> None:
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
