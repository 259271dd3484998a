"""Unions whose members are told apart by their `type`: a mistake is found in one of them."""

from typing import Any


def type_of(value: Any) -> str | None:
    """The `type` of an object, or of a model of one."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) else None


def text_or_list(value: Any) -> str:
    """Which of the two it is to be; whatever else it is will be refused as a list."""
    return TEXT if isinstance(value, str) else LIST


TEXT, LIST = "text", "list"
