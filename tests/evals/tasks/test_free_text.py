"""Numbers and JSON objects are found in sentences."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.tasks.free_text import first_object, last_number, same_number, same_object


@pytest.mark.parametrize(
    ("text", "answer", "same"),
    [
        ("That is 1,200 metres.", "1200", True),
        ("12 + 7 = 19. The answer is 19.", "19", True),
        ("It is 3.40 kilograms.", "3.4", True),
        ("8-3=5", "5", True),
        ("between 3-5", "5", True),
        ("minus four: -4", "-4", True),
        ("19 apples, of which 4 are red", "19", False),
        ("nineteen", "19", False),
        ("", "19", False),
    ],
)
def test_the_last_number_counts(text: str, answer: str, same: bool) -> None:
    assert same_number(text, answer) is same


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9999))
def test_a_number_is_read_as_it_is_written(number: object) -> None:
    assert last_number(f"So the answer is {number:f}.") == number


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('Here it is:\n```json\n{"b": "x", "a": 1}\n```', True),
        ('{"a": 1.0, "b": "x"}', True),
        ('{broken {"a": 1, "b": "x"}', True),
        ('{"a": "1", "b": "x"}', False),
        ('{"a": 1}', False),
        ('{"a": 1, "b": "x", "c": null}', False),
        ('{"a": 0} {"a": 1, "b": "x"}', False),
        ("a is 1 and b is x", False),
    ],
)
def test_the_first_object_counts(text: str, same: bool) -> None:
    assert same_object(text, '{"a": 1, "b": "x"}') is same


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), st.text("abc .,:[]"))
def test_an_object_is_found_in_any_sentence(found: dict[str, object], around: str) -> None:
    assert first_object(f"{around}{json.dumps(found)}{around}") == found


def test_objects_without_end_are_no_objects() -> None:
    assert first_object('{"a": ' * 3_000) is None
