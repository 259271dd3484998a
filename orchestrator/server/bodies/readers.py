"""Reads a body by the fields that it has: those that it might have take longer than all it says."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import CoreSchema, SchemaValidator

MOST_READERS = 512
"""Sets of fields whose readers are kept at hand; clients use few."""


def read_fields(kind: type[BaseModel], body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields that a body has, as `kind.model_validate` would read them.

    All of them must be fields of that kind. Raises ValidationError as that does.
    """
    values: dict[str, Any] = _reader(kind, frozenset(body)).validate_python(body)[0]
    return values


@lru_cache(maxsize=MOST_READERS)
def _reader(kind: type[BaseModel], names: frozenset[str]) -> SchemaValidator:
    """What pydantic has made for the fields of this kind, less those that may be absent and are."""
    schema = cast("dict[str, Any]", kind.__pydantic_core_schema__)
    needed = {name for name, field in kind.model_fields.items() if field.is_required()}
    inner = schema["schema"]
    fields = {name: one for name, one in inner["fields"].items() if name in names | needed}
    return SchemaValidator(cast("CoreSchema", {**inner, "fields": fields}), schema["config"])
