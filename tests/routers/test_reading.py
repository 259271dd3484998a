"""What a router reads: whole questions alone, and a turn that leans on others with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from experts.types import Request
from routers.encoders.long_texts import Floats
from routers.reading import EARLIER_TURNS, leans, read, reading, together, user_turns

METRES = "How many metres are 3 kilometres?"
WHOLE = st.sampled_from([METRES, "Who wrote Hamlet?", "Compute the sum of 4 and 5."])
ELLIPTIC = st.sampled_from(["And 5?", "", "What about Peru?", 'Now with "grass".', "Add 7 and 8."])
TURNS = st.lists(st.one_of(WHOLE, ELLIPTIC, st.text()), min_size=1, max_size=8)


class Letters:
    """An encoder whose vectors tell the texts apart; it remembers what it was asked."""

    name = "letters"
    dimension = 128

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(tuple(texts))
        rows = np.ones((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for place, letter in enumerate(text):
                row[(ord(letter) + 7 * place) % self.dimension] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _chat(*turns: str) -> Request:
    messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
    for turn in turns:
        messages += [{"role": "user", "content": turn}, {"role": "assistant", "content": "Yes."}]
    return Request("r", "chat/completions", {"messages": messages[:-1]})


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        ((METRES, "And 5?"), f"{METRES}\nAnd 5?"),
        ((METRES, "And 5?", "and then 6"), f"{METRES}\nAnd 5?\nand then 6"),
        (("Who wrote Hamlet?", METRES), METRES),
        (("Who wrote Hamlet?", METRES, "And 5?"), f"{METRES}\nAnd 5?"),
        (("And 5?",), "And 5?"),
    ],
)
def test_a_turn_is_read_with_those_that_it_leans_on(turns: tuple[str, ...], text: str) -> None:
    assert reading(_chat(*turns)) == text
    assert read([_chat(*turns)], Letters()).texts == (text,)


@pytest.mark.parametrize(
    "turn",
    [
        "What is 12 + 35?",
        "7*8",
        "57 + 66 = ?",
        "And 9 - 4?",
        "3 \N{MULTIPLICATION SIGN} (4 + 5)",
        "And 6 / 2?",
    ],
)
def test_a_turn_with_a_formula_is_whole(turn: str) -> None:
    assert reading(_chat(METRES, turn)) == turn


@pytest.mark.parametrize("turn", ["And 2026-11-28?", "Now 3-4.", "And 1/2?", "And C++?", "Add 5."])
def test_a_date_a_range_and_a_share_are_no_formulas(turn: str) -> None:
    assert leans(turn)


@given(TURNS, st.integers(0, 5))
def test_what_is_read_ends_with_the_last_turn_and_goes_no_further_than_it_must(
    turns: list[str], most: int
) -> None:
    kept = together(turns, most)
    assert list(kept) == turns[len(turns) - len(kept) :]
    assert 1 <= len(kept) <= most + 1
    assert all(leans(turn) for turn in kept[1:])
    complete = len(kept) in (most + 1, len(turns))
    assert complete or not leans(kept[0])


@given(st.lists(st.text(), max_size=5))
def test_single_turns_are_read_as_they_are_in_one_call(texts: list[str]) -> None:
    encoder = Letters()
    found = read([_chat(text) for text in texts], encoder, _strange)
    assert encoder.calls == [tuple(texts)]
    assert found.texts == tuple(texts)
    np.testing.assert_array_equal(found.vectors, Letters().encode(texts))


@given(st.lists(TURNS, max_size=5))
def test_a_batch_is_read_as_each_alone(conversations: list[list[str]]) -> None:
    known = Letters().encode(["Add 7 and 8.", METRES])

    def similarity(vectors: Floats) -> Floats:
        return np.asarray((vectors @ known.T).max(axis=1))

    requests = [_chat(*turns) for turns in conversations]
    found = read(requests, Letters(), similarity)
    for row, request in enumerate(requests):
        alone = read([request], Letters(), similarity)
        assert (found.texts[row], found.turns[row]) == (alone.texts[0], alone.turns[0])
        np.testing.assert_array_equal(found.vectors[row], alone.vectors[0])
        np.testing.assert_array_equal(found.vectors[row], Letters().encode(alone.texts)[0])


@given(TURNS)
def test_a_question_that_the_router_knows_is_read_alone_however_short(turns: list[str]) -> None:
    assert read([_chat(*turns)], Letters(), _known).texts == (turns[-1],)


@given(TURNS)
def test_where_nothing_is_known_the_words_decide(turns: list[str]) -> None:
    request = _chat(*turns)
    assert read([request], Letters(), _strange).texts == (reading(request),)


@given(TURNS)
def test_without_earlier_turns_only_the_last_one_is_read(turns: list[str]) -> None:
    assert read([_chat(*turns)], Letters(), _strange, 0).texts == (turns[-1],)


@given(st.integers(0, 9))
def test_no_more_turns_are_read_than_allowed(count: int) -> None:
    turns = [METRES, *["And 5?"] * count]
    assert len(together(turns)) == min(count, EARLIER_TURNS) + 1


def test_a_completion_has_one_turn_and_a_chat_without_user_an_empty_one() -> None:
    assert user_turns(Request("r", "completions", {"prompt": METRES})) == (METRES,)
    system = {"role": "system", "content": "Be brief."}
    assert user_turns(Request("r", "chat/completions", {"messages": [system]})) == ("",)


def _known(vectors: Floats) -> Floats:
    return np.ones(len(vectors))


def _strange(vectors: Floats) -> Floats:
    return np.zeros(len(vectors))
