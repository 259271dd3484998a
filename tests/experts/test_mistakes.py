"""Pydantic's errors as `path: what is wrong and what to do`, for every shape of a model."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic import model_validator as after

from experts.annotations import is_path
from experts.mistakes import OWN_CLASS, explain, keys_of, unknown_type

Name = Annotated[str, Field(pattern="^[a-z]+$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Inner(Strict):
    size: int = Field(1, ge=1, description="How large it is; zero is not allowed.")
    deep: "Inner | None" = None


class Circle(Strict):
    type: Literal["circle"]
    radius: float = Field(description="Its radius, in metres.")

    @after(mode="after")
    def _is_round(self) -> "Circle":
        if self.radius == 13:
            raise ValueError("a radius of 13 brings bad luck.")
        return self


class Square(Strict):
    type: Literal["square"]
    side: float


Shape = Annotated[
    Annotated[Circle, Tag("circle")] | Annotated[Square, Tag("square")],
    Discriminator(lambda value: value.get("type") if isinstance(value, dict) else None),
]


class Outer(Strict):
    inner: Inner = Inner()
    inners: list[Inner] = []
    pairs: tuple[int, ...] = ()
    named: dict[Name, Inner] = {}
    shapes: dict[str, Shape] = {}
    either: str | dict[str, int] | None = None
    model: int | Inner = 1
    request_class: str = Field("", alias="class")
    file: Path | None = None


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key, near one": ({"iner": 1}, ["iner: unknown key. Did you mean `inner`?"]),
    "an alias is what the file knows": (
        {"klass": 1},
        ["klass: unknown key. Did you mean `class`?"],
    ),
    "unknown key of an inner model": (
        {"inner": {"xyz": 1}},
        ["inner.xyz: unknown key. Known keys: deep, size."],
    ),
    "of an inner model of its own kind": (
        {"inner": {"deep": {"siez": 1}}},
        ["inner.deep.siez: unknown key. Did you mean `size`?"],
    ),
    "in a list": (
        {"inners": [{}, {"siez": 1}]},
        ["inners.1.siez: unknown key. Did you mean `size`?"],
    ),
    "in a mapping": (
        {"named": {"a": {"siez": 1}}},
        ["named.a.siez: unknown key. Did you mean `size`?"],
    ),
    "a bad name": ({"named": {"A": {}}}, ["named.A: the name must match '^[a-z]+$'."]),
    "in a tagged union": (
        {"shapes": {"circle": {"type": "circle", "radius": 1, "radios": 2}}},
        ["shapes.circle.radios: unknown key. Did you mean `radius`?"],
    ),
    "a missing key of a tagged union": (
        {"shapes": {"a": {"type": "circle"}}},
        ["shapes.a.radius: this key is required: its radius, in metres."],
    ),
    "a rule of a whole": (
        {"shapes": {"a": {"type": "circle", "radius": 13}}},
        ["shapes.a: a radius of 13 brings bad luck."],
    ),
    "an unknown type": (
        {"shapes": {"a": {"type": "circel"}}},
        [
            "shapes.a.type: there is no type `circel` (known: circle, square, or module:Class for a"
            " class of your own). Did you mean `circle`?"
        ],
    ),
    "no type": (
        {"shapes": {"a": {}}},
        [
            "shapes.a.type: this key is required (known: circle, square, or module:Class for a"
            " class of your own)."
        ],
    ),
    "no mapping": ({"shapes": {"a": 3}}, ["shapes.a: must be a mapping with the key `type`."]),
    "out of bounds": (
        {"inner": {"size": 0}},
        ["inner.size: must be greater than or equal to 1."],
    ),
    "not a number": ({"pairs": [1, "many"]}, ["pairs.1: must be a whole number."]),
    "neither of a union": (
        {"either": 3},
        ["either: must be a text or a mapping."],
    ),
    "inside a member of a union": (
        {"model": {"siez": 1}},
        [
            "model: must be a whole number.",
            "model.siez: unknown key. Did you mean `size`?",
        ],
    ),
    "a model that is no mapping": ({"inner": 3}, ["inner: must be a mapping."]),
}


def _problems(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(tree)
    return explain(Outer, caught.value)


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_path(case: str) -> None:
    tree, expected = CASES[case]
    assert _problems(tree) == expected


def test_a_mistake_of_the_whole_begins_with_a_colon() -> None:
    with pytest.raises(ValidationError) as caught:
        Circle.model_validate({"type": "circle", "radius": 13})
    assert explain(Circle, caught.value) == [": a radius of 13 brings bad luck."]


@given(
    path=st.lists(st.sampled_from(["deep"]), max_size=8),
    value=st.text(st.characters(categories=("L",)), min_size=8),
)
def test_however_deep_a_mistake_lies_its_path_is_right_and_its_value_is_not_shown(
    path: list[str], value: str
) -> None:
    tree: dict[str, Any] = {"size": f"<{value}>"}
    for part in reversed(path):
        tree = {part: tree}
    where = ".".join(["inner", *path, "size"])
    assert _problems({"inner": tree}) == [f"{where}: must be a whole number."]


def test_keys_are_listed_as_the_file_spells_them() -> None:
    assert keys_of(Circle) == ["type", "radius"]
    assert "class" in keys_of(Outer)
    assert "request_class" not in keys_of(Outer)


def test_the_own_class_is_offered_once() -> None:
    assert unknown_type("x", ("circle", OWN_CLASS)).count(OWN_CLASS) == 1


@pytest.mark.parametrize(
    ("name", "expected"), [("file", True), ("either", False), ("inner", False)]
)
def test_a_key_that_is_a_path_is_known(name: str, expected: bool) -> None:
    assert is_path(Outer.model_fields[name].annotation) is expected
