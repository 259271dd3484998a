"""The one reader of JSON objects that clients send: Unicode text, each key once, not too deep."""

import json
import math
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from experts.errors import RequestError

MOST_DEPTH = 128
"""Objects within objects; deeper ones would break the recursion of whoever walks them."""
_SUSPECT = re.compile(rb"\\u[dD]|NaN|Infinity")
"""What spells half a character, or a number that JSON has not; in a text, it may be harmless."""
_BOM = "\ufeff"
_LOOKED_AT = (str, float, list, dict)


class _Doubled(dict[str, Any]):
    """An object that says one of its keys twice."""

    key = ""


class _Seen(threading.local):
    """The objects with doubled keys that the text has which this thread reads."""

    doubled: list[_Doubled]


_SEEN = _Seen()


def _made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    _SEEN.doubled.append(marked := _Doubled(found))
    counts = Counter(key for key, _ in pairs)
    marked.key = next(key for key, count in counts.items() if count > 1)
    return marked


_DECODER = json.JSONDecoder(object_pairs_hook=_made)
"""Made once: that takes as long as reading a short text."""


def read_object(raw: bytes, what: str, depth: int = MOST_DEPTH) -> dict[str, Any]:
    """The JSON object in these bytes, which messages call `what`.

    Raises RequestError, whose `param` is the place inside: for what is no JSON object in UTF-8, a
    key that an object has twice (readers differ in which value counts), a text with half of a
    surrogate pair, a number that is not finite, and objects that nest more than `depth` deep.
    """
    doubled = _SEEN.doubled = []
    try:
        body = _DECODER.decode(raw.decode().removeprefix(_BOM))
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{what} is not valid UTF-8: {error.reason} at byte {error.start}."
        ) from error
    except json.JSONDecodeError as error:
        raise RequestError(f"{what} is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise RequestError(f"{what} nests more than {depth} deep.") from error
    except ValueError as error:  # Python's own bound on what it reads as a whole number.
        most = sys.get_int_max_str_digits()
        raise RequestError(f"{what} has a number of more than {most} digits.") from error
    if not isinstance(body, dict):
        raise RequestError(f"{what} must be a JSON object.")
    # Only brackets can nest.
    if doubled or _SUSPECT.search(raw) or raw.count(b"{") + raw.count(b"[") > depth:
        _check_whole(body, what, depth)
    return body


def path_of(parts: Sequence[str]) -> str:
    """`messages[0].content`, as a program would write it; half characters are escaped."""
    path = ""
    for part in parts:
        if part.isdecimal():
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path.encode("utf-8", "backslashreplace").decode()


def _check_whole(body: dict[str, Any], what: str, depth: int) -> None:
    """Raise RequestError for the first thing in it that no engine should be sent."""
    for place, value in _walk(body):
        if len(place) > depth:
            raise RequestError(f"{what} nests more than {depth} deep.", param=place[0])
        if isinstance(value, _Doubled):
            path = path_of((*place, value.key))
            raise RequestError(f"{path}: this key is there twice.", param=path)
        if isinstance(value, str) and (character := _half_at(value)) is not None:
            path = path_of(place)
            message = f"not valid Unicode (a lone surrogate at character {character})"
            raise RequestError(f"{path}: {message}.", param=path)
        if isinstance(value, float) and not math.isfinite(value):
            path = path_of(place)
            raise RequestError(f"{path}: must be a finite number.", param=path)


def _half_at(text: str) -> int | None:
    """Where half of a surrogate pair stands in a text, counted from 0; None where there is none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def _walk(body: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value but whole numbers and flags, and every key, with its place; no recursion."""
    todo: list[tuple[tuple[str, ...], Any]] = [((), body)]
    while todo:
        place, value = todo.pop()
        yield place, value
        inner: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            yield from (((*place, key), key) for key in value)
            inner = value.items()
        elif isinstance(value, list) and set(map(type, value)) != {int}:  # Ids may be millions.
            inner = enumerate(value)
        todo += (((*place, str(key)), one) for key, one in inner if isinstance(one, _LOOKED_AT))
