"""What the annotations of a pydantic model say about its keys: unions, their tags, containers."""

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Tag


def plain(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without its metadata and without None; and the members, if it is a union."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, ()
    members = tuple(one for one in get_args(kind) if one is not types.NoneType)
    return plain(members[0]) if len(members) == 1 else (kind, members)


def member(members: Sequence[Any], label: str) -> Any:
    """The member of a union that pydantic calls `label` in a location; None where it is none."""
    for one in members:
        bare, _ = plain(one)
        name = getattr(bare, "__name__", str(bare))
        if label in (tag_of(one), name) or f" {name}]" in label:
            return bare
        origin = get_origin(bare)
        if origin is not None and label.partition("[")[0] == origin.__name__:
            return bare
    return None


def tag_of(kind: Any) -> str | None:
    """The tag of a tagged union's member."""
    if get_origin(kind) is not Annotated:
        return None
    return next((data.tag for data in get_args(kind)[1:] if isinstance(data, Tag)), None)


def inside(kind: Any) -> Any:
    """What a container holds: the values of a mapping, the items of a sequence; else None."""
    arguments = get_args(kind)
    if not arguments:
        return None
    return arguments[1] if get_origin(kind) is dict else arguments[0]


def is_path(kind: Any) -> bool:
    """Whether an annotation is of a path, perhaps of none."""
    bare, _ = plain(kind)
    return bare is Path
