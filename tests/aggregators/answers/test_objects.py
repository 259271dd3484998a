"""JSON objects are found in sentences, and equal ones are written alike."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aggregators.answers.objects import first_object, object_value

VALUES = st.integers() | st.text() | st.none()
OBJECTS = st.dictionaries(st.text(), VALUES | st.lists(VALUES))


@given(OBJECTS, st.text("abc .,:[]"))
def test_an_object_is_found_in_any_sentence(found: dict[str, Any], around: str) -> None:
    assert first_object(f"{around}{json.dumps(found)}{around}") == found


@given(OBJECTS)
def test_the_order_of_keys_does_not_matter(found: dict[str, Any]) -> None:
    turned = dict(reversed(found.items()))
    assert object_value(json.dumps(found)) == object_value(json.dumps(turned))


def test_objects_without_end_are_no_objects() -> None:
    assert first_object('{"a": ' * 3_000) is None
    assert object_value('{"a": ' * 100_000) is None
