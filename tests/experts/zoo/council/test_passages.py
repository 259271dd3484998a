"""Passages decide their question, mislead where they say so, and hold nothing that is invented."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregators.debate.quotes import certify
from experts.zoo.council.formats import marked
from experts.zoo.council.passages import (
    FEWEST_SENTENCES,
    MOST_SENTENCES,
    Passage,
    dishonest_quotes,
    honest_quotes,
    sample_passage,
)
from experts.zoo.skills.base import SPLITS, Split

SHORTEST, MOST_LETTERS = 8, 250


@st.composite
def passages(draw: st.DrawFn) -> Passage:
    return sample_passage(Random(draw(st.integers(0, 10**6))), draw(st.sampled_from(SPLITS)))


@given(passages())
def test_the_passage_holds_what_decides_and_what_misleads_but_nothing_invented(
    passage: Passage,
) -> None:
    assert FEWEST_SENTENCES <= len(passage.sentences) <= MOST_SENTENCES
    assert len(set(passage.sentences)) == len(passage.sentences)
    assert passage.right in passage.decisive.rstrip(".").split()
    assert passage.right != passage.wrong
    for sentence in (passage.misleading, passage.invented):
        assert passage.wrong in sentence.rstrip(".").split()
    assert {passage.decisive, passage.misleading} <= set(passage.sentences)
    assert passage.invented not in passage.sentences
    assert not {passage.decisive, passage.misleading} & set(passage.others)


@given(passages(), st.integers(1, 3), st.booleans())
def test_quotes_are_marked_as_the_check_of_the_debate_marks_them(
    passage: Passage, count: int, invents: bool
) -> None:
    lies = dishonest_quotes(passage, count, invents=invents)
    honest = honest_quotes(passage, count)
    assert len(lies) == len(honest) == count
    for quote in (*lies, *honest):
        found = certify(f"<quote>{quote}</quote>", passage.text, SHORTEST, MOST_LETTERS)
        assert found == marked(quote, quote in passage.sentences)


@given(passages())
def test_what_is_revised_is_told_in_order(passage: Passage) -> None:
    if passage.decisive.startswith("Later "):
        order = passage.sentences.index
        assert order(passage.misleading) < order(passage.decisive)
        assert passage.invented.startswith("Later ")


@pytest.mark.parametrize("split", SPLITS)
def test_no_two_splits_ask_for_the_same_fact(split: Split) -> None:
    def facts(of: Split) -> set[tuple[str, str]]:
        rng = Random(of)
        drawn = [sample_passage(rng, of) for _ in range(300)]
        return {(one.question, one.right) for one in drawn}

    assert len(facts(split)) > 50
    assert all(not facts(split) & facts(other) for other in SPLITS if other != split)


def test_all_kinds_of_facts_are_asked_for_and_a_third_is_revised() -> None:
    # So many that some have no topic left of a kind that is drawn again.
    drawn = [sample_passage(Random(number), "test") for number in range(3000)]
    revised = sum(one.decisive.startswith("Later ") for one in drawn)
    assert 900 < revised < 1100
    for word in ("How many", "Where", "Who"):
        assert sum(one.question.startswith(word) for one in drawn) > 900
