"""Scores of answers in sentences: by the number that they end on, or by their JSON object."""

import json
import re
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"(?<!\d)-?\d+(?:,\d{3})*(?:\.\d+)?")


def last_number(text: str) -> Decimal | None:
    """The last number of a text; `1,200.50` is one number."""
    found = _NUMBER.findall(text)
    return Decimal(found[-1].replace(",", "")) if found else None


def same_number(text: str, answer: str) -> bool:
    """Whether both texts end on the same number."""
    number = last_number(text)
    return number is not None and number == last_number(answer)


def first_object(text: str) -> dict[str, Any] | None:
    """The first JSON object of a text, whatever stands around it."""
    decoder = json.JSONDecoder()
    for brace in re.finditer(r"\{", text):
        try:
            found: dict[str, Any] = decoder.raw_decode(text, brace.start())[0]
        except (ValueError, RecursionError):  # No object begins here, or one without end.
            continue
        return found
    return None


def same_object(text: str, answer: str) -> bool:
    """Whether the first JSON objects of both texts have the same keys and values."""
    found = first_object(text)
    return found is not None and found == first_object(answer)
