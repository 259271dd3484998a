"""The JSON object in an answer, in one spelling: the order of its keys does not matter. Pure."""

import json
import re
from typing import Any

LONGEST = 100_000
MOST_BRACES = 1_000
"""Places at which an object is tried to be read: each may take as long as the text is."""


def first_object(text: str) -> dict[str, Any] | None:
    """The first JSON object of a text, whatever stands around it."""
    decoder = json.JSONDecoder()
    for number, brace in enumerate(re.finditer(r"\{", text[:LONGEST])):
        if number >= MOST_BRACES:
            break
        try:
            found: dict[str, Any] = decoder.raw_decode(text, brace.start())[0]
        except (ValueError, RecursionError):  # No object begins here, or one without end.
            continue
        return found
    return None


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
