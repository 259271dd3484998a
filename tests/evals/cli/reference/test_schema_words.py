"""A schema in words: types, bounds, nested models, defaults."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from evals.cli.reference.schema_words import (
    Schema,
    anchor,
    choices,
    nested,
    shown_default,
    table,
    words,
)


class Inner(BaseModel):
    size: int = 1


class Other(BaseModel):
    name: str


class Outer(BaseModel):
    whole: int = Field(3, ge=1, lt=8)
    share: float | None = Field(None, gt=0)
    kind: Literal["a", "b"] = "a"
    names: list[str] = []
    anything: Any = None
    free: dict[str, Any] = {}
    inner: Inner = Inner()
    perhaps: Inner | None = None
    by_name: dict[str, Inner] = {}
    several: list[Inner] = []
    either: dict[str, Annotated[Inner | Other, Field(union_mode="smart")]] = {}
    needed: str


SCHEMA = Outer.model_json_schema()
PROPERTIES: dict[str, Schema] = SCHEMA["properties"]


@pytest.mark.parametrize(
    ("key", "type_words"),
    [
        ("whole", "integer >= 1, < 8"),
        ("share", "number > 0 or null"),
        ("kind", "`a` or `b`"),
        ("names", "list of text"),
        ("anything", "anything"),
        ("free", "mapping"),
        ("inner", "mapping"),
        ("perhaps", "mapping or null"),
        ("by_name", "name -> mapping"),
        ("needed", "text"),
    ],
)
def test_types(key: str, type_words: str) -> None:
    assert words(PROPERTIES[key]) == type_words


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("whole", None),
        ("free", None),
        ("inner", ("Inner", "")),
        ("perhaps", ("Inner", "")),
        ("by_name", ("Inner", ".NAME")),
        ("several", ("Inner", "[]")),
    ],
)
def test_nested_models(key: str, found: tuple[str, str] | None) -> None:
    assert nested(PROPERTIES[key]) == found


def test_defaults() -> None:
    shown = {key: shown_default(part) for key, part in PROPERTIES.items()}
    assert shown["whole"] == "`3`"
    assert shown["share"] == "`null`"
    assert shown["kind"] == '`"a"`'
    assert shown["inner"] == shown["needed"] == ""


def test_choices_are_the_models_of_a_tagged_union() -> None:
    tagged = {
        "patternProperties": {".*": {"oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}}
    }
    assert choices(tagged) == ["A", "B"]
    assert choices(PROPERTIES["inner"]) == []


def test_a_table_escapes_bars_and_lines() -> None:
    assert (
        table([("a|b", "two\nlines")], ("x", "y"))
        == "| x | y |\n| --- | --- |\n| a\\|b | two lines |\n"
    )


def test_an_anchor_is_what_a_heading_gets() -> None:
    assert anchor("`server.api_keys.NAME`") == "serverapi_keysname"
    assert anchor("coterie router fit") == "coterie-router-fit"
