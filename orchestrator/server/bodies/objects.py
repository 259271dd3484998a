"""What the objects of a body say: which fields count as absent, and how their schemas tell it."""

from collections.abc import Callable
from typing import Any

from experts.files.json_object import read_object

_LISTS = ("tools", "functions")
_CHOICES = (("tool_choice", "tools"), ("function_call", "functions"))


def parse_object(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestError."""
    return read_object(raw, "The body")


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
