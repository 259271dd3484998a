"""Bytes of clients become objects of Unicode text, or are refused with the place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RequestError
from experts.files.json_object import MOST_DEPTH, read_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Whole characters only; half ones have a test of their own.
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


def refused(raw: str | bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read_object(raw if isinstance(raw, bytes) else raw.encode(), "The body")
    return caught.value


@given(OBJECTS, st.booleans())
def test_an_object_is_read_as_it_is(value: dict[str, Any], escaped: bool) -> None:
    raw = json.dumps(value, ensure_ascii=escaped).encode()
    assert read_object(raw, "The body") == value


@given(OBJECTS, st.text(alphabet="abc", min_size=1), VALUES, VALUES)
def test_a_key_that_is_there_twice_is_named(
    value: dict[str, Any], key: str, first: Any, second: Any
) -> None:
    twice = f'{{"{key}": {json.dumps(first)}, "other": 1, "{key}": {json.dumps(second)}}}'
    value.pop("in", None)
    whole = json.dumps(value)[:-1] + (", " if value else "") + f'"in": [0, {twice}]}}'
    assert refused(whole).param == f"in[1].{key}"
    assert refused(twice).param == key


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ('{"messages": [{"role": "user", "content": "ab\\ud800c"}]}', "messages[0].content"),
        ('{"messages": [{"content": [{"text": "ab\\uDFFF"}]}]}', "messages[0].content[0].text"),
        ('{"input": ["x", "ab\\udc00\\ud800"]}', "input[1]"),
        ('{"tools": {"ab\\ud800": 1}}', "tools.ab\\ud800"),
    ],
)
def test_half_a_character_is_refused_with_its_place(raw: str, param: str) -> None:
    error = refused(raw)
    assert error.param == param
    assert error.message.endswith("not valid Unicode (a lone surrogate at character 2).")


def test_half_a_character_in_raw_bytes_is_no_utf8() -> None:
    assert "not valid UTF-8" in refused(b'{"input": "\xed\xa0\x80"}').message


@pytest.mark.parametrize("word", ["NaN", "-Infinity"])
def test_a_number_is_finite(word: str) -> None:
    assert refused(f'{{"a": [{word}], "b": "NaN"}}').param == "a[0]"
    assert read_object(b'{"b": "NaN"}', "The body") == {"b": "NaN"}


def test_depth_is_bounded_and_the_bound_is_the_callers() -> None:
    raw = b'{"a": ' * (MOST_DEPTH + 1) + b"1" + b"}" * (MOST_DEPTH + 1)
    assert "nests more than" in refused(raw).message
    assert read_object(raw, "This line", MOST_DEPTH + 1)


@pytest.mark.parametrize("raw", ["", "{", "[]", "3", "[" * 100_000])
def test_what_is_no_object_is_called_by_its_name(raw: str) -> None:
    assert refused(raw).message.startswith("The body ")


def test_what_python_cannot_read_is_told_in_our_words() -> None:
    assert (
        "has a number of more than 4300 digits" in refused(b'{"n": ' + b"1" * 5000 + b"}").message
    )
    deep = b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert "nests more than 128 deep" in refused(deep).message
