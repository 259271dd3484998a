"""Whole numbers as JSON may spell them: 5.0 is 5, for vLLM and for JSON Schema alike."""

from collections.abc import Mapping
from typing import Any

_NUMBERS = (float, list)


def as_whole(value: Any) -> Any:
    """A float without a fraction as the whole number that it is; anything else as it came."""
    return int(value) if type(value) is float and value.is_integer() else value


def all_whole(value: Any) -> Any:
    """The same for lists of numbers, and lists of such lists; other values as they came."""
    if not isinstance(value, list):
        return as_whole(value)
    kinds = set(map(type, value))  # Ids may be millions, and are whole as a rule.
    return [all_whole(one) for one in value] if kinds & {float, list} else value


def with_whole_numbers(body: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    """The body with its numbers as they have been `read`: not every engine takes 5.0 for 5."""
    found = {name: read[name] for name, value in body.items() if isinstance(value, _NUMBERS)}
    found.pop("messages", None)
    return {**body, **found}
