"""The JSON object in an answer, in one spelling: the order of its keys does not matter. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any

LONGEST = 100_000
MOST_BRACES = 1_000
"""Places at which an object is tried to be read: each may take as long as the text is."""


def first_object(text: str) -> dict[str, Any] | None:
    """The first JSON object of a text, whatever stands around it."""
    return next(objects(text), None)


def objects(text: str, *, strict: bool = True) -> Iterator[dict[str, Any]]:
    """The JSON objects of a text, one after the other; those inside others do not count.

    Where not `strict`, strings may hold line breaks and other control characters as they are.
    """
    decoder = json.JSONDecoder(strict=strict)
    end = 0
    for number, brace in enumerate(re.finditer(r"\{", text[:LONGEST])):
        if number >= MOST_BRACES:
            return
        if brace.start() < end:
            continue
        try:
            found, end = decoder.raw_decode(text, brace.start())
        except (ValueError, RecursionError):  # No object begins here, or one without end.
            continue
        yield found


def object_value(text: str) -> str | None:
    """The first JSON object of a text with sorted keys; None where there is none."""
    found = first_object(text)
    return None if found is None else json.dumps(_tidy(found), sort_keys=True, ensure_ascii=False)


def _tidy(value: Any) -> Any:
    """1.0 as 1: for JSON they are the same number."""
    if isinstance(value, dict):
        return {key: _tidy(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_tidy(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
