"""Values of a configuration in words: short, and never a secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from experts.components import is_own_class

LONGEST = 60
_SECRET = re.compile(r"(^|_)(token|key|hash|secret|password|passwd|credentials?|headers)$")
"""How the names of keys end whose values nobody is shown."""
_USER = re.compile(r"(?<=//)[^/@\s]*@")
_QUERY = re.compile(r"\?.*$")


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that can be compared, but is not shown."""

    value: Any

    def __repr__(self) -> str:
        return "Hidden()"


def leaves(value: Any, path: str = "", *, hidden: bool = False) -> dict[str, Any]:
    """Path -> value, of everything below a section, a mapping or a list.

    The keys of a class from outside the repository may all be secret, save its `type`.
    """
    if isinstance(value, BaseModel):
        return _of_model(value, path, hidden)
    if isinstance(value, Mapping):
        own = is_own_class(value.get("type"))
        inner = (
            leaves(one, _join(path, key), hidden=hidden or _is_secret(key, own))
            for key, one in value.items()
        )
        return {place: found for part in inner for place, found in part.items()}
    return {path: Hidden(value) if hidden else value}


def shown(value: Any) -> str:
    """A value in a few letters."""
    if isinstance(value, str | Path):
        text = _QUERY.sub("?...", _USER.sub("...@", str(value))) if "//" in str(value) else value
        text = " ".join(str(text).split())
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return str(value)


def changed(old: Any, new: Any) -> str:
    """What a value was and is; of one that is not shown, that it is another one."""
    if isinstance(old, Hidden) or isinstance(new, Hidden):
        return "has another value (not shown)"
    before, after = shown(old), shown(new)
    return f"{before} -> {after}" if before != after else "has another value"


def _of_model(model: BaseModel, path: str, hidden: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        secret = hidden or not field.repr or bool(_SECRET.search(name))
        place = _join(path, field.alias or name)
        found |= leaves(getattr(model, name), place, hidden=secret)
    for name, value in (model.model_extra or {}).items():
        found |= leaves(value, _join(path, name), hidden=True)
    return found


def _is_secret(key: Any, own: bool) -> bool:
    return (own and key != "type") or bool(_SECRET.search(str(key)))


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
