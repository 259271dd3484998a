"""An engine's list of pydantic's errors as one sentence with its place: `messages[0]: ...`."""

import re

_LIST = re.compile(r"^\d+ validation errors?(:| for )")
_PLACE = re.compile(r"'loc': (?:'([^']*)'|\(([^)]*)\))")
_WORDS = re.compile(r"""'msg': (?:'([^']*)'|"([^"]*)")""")
_BODY = ("body",)
_MOST = 3
"""Members of a union, each of which wants something else, that are worth telling."""


def in_plain_words(message: str) -> str:
    """A message of an engine; what is wrong first, where it lists pydantic's errors."""
    if _LIST.match(message) is None:
        return message
    found: dict[str, list[str]] = {}
    for line in message.splitlines():
        place, words = _PLACE.search(line), _WORDS.search(line)
        if words is not None:
            told = (words[1] or words[2] or "").removeprefix("Value error, ").rstrip(".")
            found.setdefault(_path(place), []).append(told)
    if not found:
        return message
    path, wants = next(iter(found.items()))
    said = "; or: ".join(list(dict.fromkeys(wants))[:_MOST])
    return f"{path}: {said}." if path else f"{said}."


def _path(place: re.Match[str] | None) -> str:
    if place is None:
        return ""
    parts = re.findall(r"[^.,\s'\"]+", place[1] or place[2] or "")
    path = ""
    for part in parts[1:] if tuple(parts[:1]) == _BODY else parts:
        dot = "." if path else ""
        path += f"[{part}]" if part.isdecimal() else f"{dot}{part}"
    return path
