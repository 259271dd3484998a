"""One JSON document of a run, checked; it may have been cut off, edited, or written by others."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from evals.report import words

Model = TypeVar("Model", bound=BaseModel)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Damaged(ValueError):
    """The document is not what it should be; the message says where."""


def record(kind: type[Model], content: bytes, unknown: set[str]) -> Model:
    """The bytes of a JSON document as a record; keys that it does not know are told.

    Raises Damaged with the first mistake.
    """
    try:
        return _finite(kind.model_validate_json(content))
    except ValidationError:  # Slower, and with words for everything.
        return validated(kind, parse(content), unknown)


def parse(content: bytes) -> Any:
    """The JSON value of some bytes, in which every text can be written as UTF-8.

    Raises Damaged for what is not JSON, for numbers that are none, and for absurd nesting.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damaged(f"byte {error.start + 1} is not UTF-8.") from None
    try:
        tree = json.loads(text, parse_constant=_refuse)
        # A lone surrogate can be written as an escape only.
        return _whole(tree) if _SURROGATE.search(text) else tree
    except json.JSONDecodeError as error:
        raise Damaged(f"is not JSON: {error.msg} at column {error.colno}.") from None
    except RecursionError:
        raise Damaged("is nested too deeply.") from None
    except ValueError as error:
        raise Damaged(f"has a number that is none: {str(error)[:80]}.") from None


def validated(kind: type[Model], tree: Any, unknown: set[str]) -> Model:
    """The tree as a record; keys that it does not know are taken out of the tree, and told.

    Raises Damaged with the first mistake.
    """
    try:
        return _finite(kind.model_validate(tree))
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False)
    extra = [one["loc"] for one in mistakes if one["type"] == "extra_forbidden"]
    if len(extra) < len(mistakes):
        one = next(one for one in mistakes if one["type"] != "extra_forbidden")
        raise Damaged(f"{_place(one['loc'])}: {one['msg']}.")
    for place in extra:
        _remove(tree, place)
        unknown.add(_place([part for part in place if isinstance(part, str)])[:80])
    return _finite(kind.model_validate(tree))


def _refuse(name: str) -> float:
    raise ValueError(name)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return words.whole(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return value


def _finite(found: Model) -> Model:
    for name, value in found.__dict__.items():
        if value.__class__ is float and not math.isfinite(value):
            raise Damaged(f"{name}: is not a finite number.")
    return found


def _place(parts: Sequence[int | str]) -> str:
    return ".".join(map(str, parts)) or "the document"


def _remove(tree: Any, place: Sequence[int | str]) -> None:
    for part in place[:-1]:
        tree = tree[part]
    del tree[place[-1]]
