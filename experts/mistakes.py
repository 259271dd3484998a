"""Pydantic's errors in our words: `path: what is wrong and what to do`."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import NoneType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from experts.annotations import inside, member, plain, tag_of
from experts.files.yaml_text import Misread

OWN_CLASS = "module:Class"
"""How messages, and the tag of a union, name a type from outside the repository."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where pydantic found a mistake."""

    path: tuple[str, ...]
    """The keys of the file, without what pydantic adds: tags of unions, `[key]`."""
    section: type[BaseModel] | None
    """The model that has the last key, or lacks it."""
    field: FieldInfo | None
    """The last key's field, where it has one."""
    types: tuple[str, ...] = ()
    """The types that a mapping at this place may have."""
    is_name: bool = False
    """Whether the key itself is wrong, and not its value."""


def explain(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Every mistake as a sentence that begins with its path; shows no value of the file.

    A mistake of the whole has no path: its sentence begins with a colon.
    """
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        place = locate(model, problem["loc"])
        where, what = _sentence(place, problem)
        found.setdefault(where, []).append(what)
    # Several at one place are what the members of a union want.
    said = {where: _either(list(dict.fromkeys(all_))) for where, all_ in found.items()}
    return [f"{where}: {ended(what)}" for where, what in said.items()]


def _either(wanted: Sequence[str]) -> str:
    """What the members of a union want: `must be a text or a mapping`."""
    if len(wanted) == 1:
        return wanted[0]
    must = "must be "
    wanted = [one.partition(_BUT)[0] for one in wanted]
    if all(one.startswith(must) for one in wanted):
        return must + " or ".join(one.removeprefix(must) for one in wanted)
    return ", or ".join(wanted)


def ended(sentence: str) -> str:
    """A sentence with its full stop, where it needs one."""
    return sentence if sentence.endswith(("?", ".")) else f"{sentence}."


def locate(model: type[BaseModel], location: Sequence[int | str]) -> Place:
    """The keys of the file that a location of pydantic's means."""
    path: list[str] = []
    section: type[BaseModel] | None = None
    field: FieldInfo | None = None
    kind: Any = model
    for part in location:
        if part == "[key]":
            return Place(tuple(path), section, field, is_name=True)
        kind, members = plain(kind)
        if members:  # Pydantic adds which member of a union it has tried.
            kind = member(members, str(part))
            continue
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            section, field = kind, _field(kind, str(part))
            kind = field.annotation if field is not None else None
        elif kind is not None:
            kind, section, field = inside(kind), None, None
        path.append(str(part))
    _, members = plain(kind)
    types = tuple(tag for tag in map(tag_of, members) if tag is not None)
    return Place(tuple(path), section, field, types)


def keys_of(section: type[BaseModel]) -> list[str]:
    """The keys of a section as the file spells them: `type` first, the rest in order."""
    names = (field.alias or name for name, field in section.model_fields.items())
    return sorted(names, key=lambda name: (name != "type", name))


def unknown_type(given: Any, known: Sequence[str]) -> str:
    """What to say about a `type` that is missing (None), or that does not exist."""
    listed = [name for name in known if name != OWN_CLASS]
    choice = f"known: {', '.join(listed)}, or {OWN_CLASS} for a class of your own"
    if given is None:
        return f"this key is required ({choice})"
    near = difflib.get_close_matches(str(given), listed, n=1)
    hint = f". Did you mean `{near[0]}`?" if near else ""
    return f"there is no type `{given}` ({choice}){hint}"


def _field(section: type[BaseModel], key: str) -> FieldInfo | None:
    named = {field.alias or name: field for name, field in section.model_fields.items()}
    return named.get(key)


def _sentence(place: Place, problem: Mapping[str, Any]) -> tuple[str, str]:
    """The path, and what is wrong there, without its full stop."""
    where, kind = ".".join(place.path), problem["type"]
    if kind == "extra_forbidden":
        return where, f"unknown key. {_known(place)}"
    if kind == "missing":
        return where, f"this key is required{_as_clause(place.field)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        if not isinstance(problem["input"], dict):
            return where, "must be a mapping with the key `type`"
        return f"{where}.type", unknown_type(problem["input"].get("type"), place.types)
    if kind == "invalid_key":
        return where, f"unknown key. {_known(place)}"
    if kind == "string_type":
        return _not_a_text(place, problem["input"])
    words = problem["msg"].removeprefix("Value error, ").rstrip(".")
    for said, meant in _WORDS:
        words = re.sub(said, meant, words)
    words = f"{words[0].lower()}{words[1:]}"
    if place.is_name:
        return where, f"the name {words}"
    return where, words


def _not_a_text(place: Place, given: Any) -> tuple[str, str]:
    """Of a value, or a name, that YAML reads as something else; the value is not shown."""
    path = list(place.path)
    words = "must be a text"
    if isinstance(given, Misread):
        path[-1], given = given.written, given.value
    elif place.is_name and (isinstance(given, bool) or given is None):
        path[-1] = {True: "true", False: "false", None: "null"}[given]  # Pydantic: 1, 0 and None.
    read_as = next((words for kind, words in _READ_AS if isinstance(given, kind)), None)
    if read_as is not None:
        words += f"{_BUT} YAML reads it as {read_as}: put it in quotes"
    if not place.is_name:
        return ".".join(path), words
    return ".".join(path), f"the name {words}"


def _known(place: Place) -> str:
    known = keys_of(place.section) if place.section is not None else []
    near = difflib.get_close_matches(place.path[-1], known, n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Known keys: {', '.join(known)}"


def _as_clause(field: FieldInfo | None) -> str:
    about = (field.description if field is not None else "") or ""
    words = about.partition(";")[0].rstrip(".")
    return f": {words[0].lower()}{words[1:]}" if words else ""


_WORDS = (
    (r"^(Input|String|Value|Dictionary|List|Tuple) should", "must"),
    (r"a valid dictionary( or .*)?$", "a mapping"),
    (r"a valid tuple$", "a valid list"),
    (r"a valid boolean(, .*)?$", "true or false"),
    (r", unable to parse string as .*$", ""),
    (r"^must match pattern", "must match"),
    (r"have at least 1 (item|character)( after validation, not 0)?$", "not be empty"),
    (r"(items?) after validation, not \d+$", r"\1"),
    (r"a valid string$", "a text"),
    (r"a valid integer(, got a number with a fractional part)?$", "a whole number"),
    (r"a valid number$", "a number"),
    (r"a valid boolean(, unable to interpret input)?$", "true or false"),
)
_BUT = ", but"
_READ_AS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (date, "a date"),
    (NoneType, "nothing"),
)
