"""Bytes in, a JSON object of Unicode text out: nothing that an engine could not be sent."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from experts.errors import RequestError

MOST_DEPTH = 128
"""Objects within objects; deeper ones would break the recursion of whoever walks them."""
_SUSPECT = re.compile(rb"\\u[dD]|NaN|Infinity")
"""What spells half a character, or a number that JSON has not; in a text, it may be harmless."""
_LOOKED_AT = (str, float, list, dict)
_LISTS = ("tools", "functions")
_CHOICES = (("tool_choice", "tools"), ("function_call", "functions"))


def parse_object(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestError."""
    try:
        body = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    # Only brackets can nest.
    if _SUSPECT.search(raw) or raw.count(b"{") + raw.count(b"[") > MOST_DEPTH:
        _check_whole(body)
    return body


def said(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something: null, and no tools, are as good as absent.

    Not so the null of `max_tokens`, which is vLLM's word for as many as there is room for.
    """
    found = {
        field: value
        for field, value in body.items()
        if field == "max_tokens" or not (value is None or (field in _LISTS and value == []))
    }
    for choice, among in _CHOICES:
        if found.get(choice) in ("auto", "none") and among not in found:
            del found[choice]
    return found


def null_is_absent(schema: dict[str, Any]) -> None:
    """Let the JSON Schema of an object say of its optional keys what `said` makes of nulls."""
    for name, one in schema.get("properties", {}).items():
        if name not in schema.get("required", ()) and {"type": "null"} not in one.get("anyOf", ()):
            about = {key: one.pop(key) for key in ("title", "description", "default") if key in one}
            schema["properties"][name] = {"anyOf": [one, {"type": "null"}], **about}


def some_required(*names: str) -> Callable[[dict[str, Any]], None]:
    """Let a JSON Schema say that one of these keys must be there, and say something."""

    def say(schema: dict[str, Any]) -> None:
        needed = [{"required": [n], "properties": {n: {"not": {"type": "null"}}}} for n in names]
        schema["anyOf"] = needed

    return say


def path_of(parts: Sequence[str]) -> str:
    """`messages[0].content`, as a program would write it; half characters are escaped."""
    path = ""
    for part in parts:
        if part.isdecimal():
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path.encode("utf-8", "backslashreplace").decode()


def _check_whole(body: dict[str, Any]) -> None:
    """Raise RequestError for what no engine could be sent: half characters, infinities, a maze."""
    for place, value in _walk(body):
        if len(place) > MOST_DEPTH:
            raise RequestError(f"The body nests more than {MOST_DEPTH} deep.", param=place[0])
        if isinstance(value, str) and not _is_unicode(value):
            path = path_of(place)
            raise RequestError(
                f"{path}: must be Unicode text; half of a surrogate pair is none.", param=path
            )
        if isinstance(value, float) and not math.isfinite(value):
            path = path_of(place)
            raise RequestError(f"{path}: must be a finite number.", param=path)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
