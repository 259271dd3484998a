"""Lists of pydantic's errors become a sentence; everything else stays as it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from experts.upstream.validation import in_plain_words


class Message(BaseModel):
    content: str | list[str]


class Body(BaseModel):
    messages: list[Message]
    stop: list[str] = Field([], max_length=4)


def listed(body: Any, *, joined: bool) -> str:
    """What vLLM sends: older ones give the place as a tuple."""
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(body)
    errors: list[dict[str, Any]] = [dict(one) for one in caught.value.errors()]
    for one in errors:
        place = ("body", *(part for part in one["loc"] if part not in ("str", "list[str]")))
        one["loc"] = ".".join(map(str, place)) if joined else place
    return f"{len(errors)} validation errors:\n" + "".join(f"  {one}\n" for one in errors)


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"messages": [{"content": None}]},
            "messages[0].content: Input should be a valid string; or: Input should be a valid l",
        ),
        ({"messages": [], "stop": ["a"] * 5}, "stop: List should have at most 4 items"),
        ({}, "messages: Field required."),
    ],
)
def test_the_first_place_is_told(body: Any, said: str, joined: bool) -> None:
    told = in_plain_words(listed(body, joined=joined))
    assert told.startswith(said)
    assert "{" not in told


@given(st.text())
def test_other_messages_are_left_alone(message: str) -> None:
    assert in_plain_words(message) == message


@given(st.text())
def test_a_list_that_is_not_understood_is_left_alone(rest: str) -> None:
    told = in_plain_words(f"2 validation errors:\n{rest}")
    assert told
