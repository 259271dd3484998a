"""Whatever stands in a YAML file: a value, or an error with its place, and never anything else."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from experts.files.yaml_text import parse_yaml, scalar

FILE = Path("some.yaml")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
SIGNS = st.text(st.sampled_from("ab:- \n{}[],&*<!?|>'\"#%0\t\u2028\0"), max_size=40)


@given(tree=TREES)
def test_what_pyyaml_writes_is_read(tree: Any) -> None:
    assert parse_yaml(yaml.safe_dump(tree, allow_unicode=True), FILE) == tree


@settings(max_examples=300)
@given(text=SIGNS)
@example("a: &a [*a]")
@example("&a {<<: *a}")
@example("? {a: b}\n: 1")
@example("a: 0b")
@example("a: 1" + "0" * 5000)
@example("!!float 'x'")
@example("!!timestamp 'x'")
@example("!!binary 'é'")
@example("&a [&a 1, *a]")
def test_every_text_is_read_or_refused_with_its_file(text: str) -> None:
    try:
        parse_yaml(text, FILE)
    except ConfigError as error:
        assert str(error).startswith("some.yaml is ")  # noqa: PT017 (nothing need be raised)
        assert len(error.problems) == 1  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' appears twice"),
        ("a:\n  b: 1\n  b: 2\n", "line 3, column 3: the key 'b' appears twice"),
        ("a: 1\nb: &b {c: *b}\n", "line 2, column 11: the alias `*b` stands inside what it names"),
        ("a: 1\n# \0\n", "line 2: the character U+0000 may not stand in YAML"),
        ("a: !!int s3cret\n", "line 1, column 4: this is no `int`; put a text into quotes"),
        ("a: !!bool s3cret\n", "line 1, column 4: this is no `bool`"),
        (
            "a: {b: ${env:X}}\n",
            "line 1, column 9: while parsing a flow mapping expected ',' or '}', but got '{'; ",
        ),
        (
            "a:\n- [${env:X}]\n",
            "line 2, column 5: while parsing a flow sequence expected ',' or ']', but got '{'; ",
        ),
        ("a: b: c\n", "line 1, column 5: mapping values are not allowed here"),
    ],
)
def test_a_mistake_has_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, FILE)
    assert caught.value.problems[0].startswith(said)


@given(value=st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False))
def test_a_scalar_alone_is_what_yaml_reads(value: Any) -> None:
    assert scalar(yaml.safe_dump(value).removesuffix("...\n").strip()) == value


@pytest.mark.parametrize(
    "text", ["a", "'1'", "[1]", "2020-01-01", "a: b: c", "[" * 5000, "{", "*a"]
)
def test_the_rest_stays_a_text(text: str) -> None:
    assert isinstance(scalar(text), str)


def test_a_key_that_is_a_date_keeps_how_it_is_written() -> None:
    (key,) = parse_yaml("2024-01-01: 1", FILE)
    assert (str(key), repr(key), key) == ("2024-01-01", "2024-01-01", date(2024, 1, 1))
