"""Patterns searched for in a child process, which is stopped: Python's `re` can take for ever."""

import atexit
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from aggregators.algebra.children import Children, Silent

LONGEST = 100_000
GRACE_S = 1.0
AT_ONCE = 2

Which = Literal["first", "last", "whole"]
"""Which match counts, or only one that is the whole text."""

_CHILDREN = Children(Path(__file__).with_name("searching_worker.py"), at_once=AT_ONCE)
atexit.register(_CHILDREN.close)


class SlowPattern(Exception):
    """A search that did not end in its time."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no pattern: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


def search(pattern: str, text: str, *, which: Which, seconds: float, flags: int = 0) -> str | None:
    """The first group of a match, or all of it where the pattern has no group; None without one.

    Raises SlowPattern after some seconds, and ValueError for what is no pattern.
    """
    question = [pattern, text[-LONGEST:], which, flags, seconds]
    try:
        status, found = _CHILDREN.ask(question, seconds + GRACE_S)
    except Silent:
        status, found = "slow", None
    if status == "slow":
        raise SlowPattern(f"{pattern!r} was not searched for within {seconds:g} s")
    if status == "wrong":
        raise ValueError(f"{pattern!r} is no pattern: {found}")
    assert found is None or isinstance(found, str)
    return found
