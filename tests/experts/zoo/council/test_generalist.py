"""What the council's generalist is taught: near misses, candidates, both orders of a pair."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repository import ROOT

from experts.zoo import formats as shared_formats
from experts.zoo.council import formats
from experts.zoo.council.examples import (
    COUNCIL_FORMATS,
    COUNCIL_SKILLS,
    FEWEST_CANDIDATES,
    MOST_CANDIDATES,
    candidates,
)
from experts.zoo.council.generalist import MIX
from experts.zoo.council.generalist_misses import MISSES, near_miss
from experts.zoo.skills.base import Example
from experts.zoo.skills.registry import SKILLS
from experts.zoo.sources import SOURCES
from experts.zoo.tokenizer import LONGEST_CONTEXT, SHARED, build
from experts.zoo.train import encode

PROMPTS = ROOT / "examples" / "prompts"
LOOKS = {
    "addition": r"\d{1,3}",
    "subtraction": r"\d{1,3}",
    "conversion": r"[1-9]\d*|0",
    "calendar": r"([1-9]|[12]\d|3[01]) [A-Z][a-z]+",
    "clock": r"([01]\d|2[0-3]):[0-5]\d",
    "capital": r"[A-Z][A-Za-z' -]+",
    "country": r"[A-Z][A-Za-z' -]+",
    "continent": r"[A-Z][A-Za-z ]+",
}


@st.composite
def questions(draw: st.DrawFn) -> Example:
    skill = SKILLS[draw(st.sampled_from(COUNCIL_SKILLS))]
    return skill.sample(Random(draw(st.integers(0, 10**6))), "train")


@given(questions(), st.integers(0, 10**6))
def test_a_near_miss_is_wrong_and_of_the_same_kind(example: Example, seed: int) -> None:
    missed = near_miss(Random(seed), example)
    assert missed != example.answer
    for text in (missed, example.answer):
        assert re.fullmatch(LOOKS[example.keywords[1]], text)


def test_every_kind_of_question_has_its_near_misses() -> None:
    drawn = {
        SKILLS[name].sample(Random(seed), "train").keywords[1]
        for name in COUNCIL_SKILLS
        for seed in range(60)
    }
    assert drawn == set(MISSES) == set(LOOKS)


@given(questions(), st.integers(FEWEST_CANDIDATES, MOST_CANDIDATES), st.integers(0, 10**6))
def test_one_candidate_is_right_and_one_is_wrong(example: Example, count: int, seed: int) -> None:
    drawn = candidates(Random(seed), example, count)
    assert len(drawn) == count
    assert example.answer in drawn
    assert len(set(drawn)) > 1


def test_the_right_answer_often_has_no_majority() -> None:
    rng = Random(0)
    examples = [SKILLS["units"].sample(rng, "train") for _ in range(400)]
    shares = [candidates(rng, one, 5).count(one.answer) / 5 for one in examples]
    assert 80 < sum(share < 0.5 for share in shares) < 320


@pytest.mark.parametrize("name", ["pairs", "debate", "unverified", "consultancy", "unargued"])
def test_both_letters_are_right_equally_often(name: str) -> None:
    rng = Random(0)
    letters = [COUNCIL_FORMATS[name].sample(rng, "train").answer for _ in range(400)]
    assert set(letters) == {"A", "B"}
    assert 150 < letters.count("A") < 250


@pytest.mark.parametrize("name", COUNCIL_FORMATS)
def test_prompts_fit_into_the_context_and_nothing_is_drawn_from_another_split(name: str) -> None:
    tokenizer = build(SHARED)
    taught = [COUNCIL_FORMATS[name].sample(Random(seed), "train") for seed in range(80)]
    asked = [COUNCIL_FORMATS[name].sample(Random(seed), "test") for seed in range(80)]
    longest = max(len(prompt) + len(answer) for prompt, answer in encode(tokenizer, taught))
    assert longest < LONGEST_CONTEXT / 2
    # Two answers for which nobody argues are the same prompt whichever of them is right.
    if name != "unargued":
        assert not {one.question for one in taught} & {one.question for one in asked}


def test_the_mix_names_what_can_be_drawn() -> None:
    assert set(MIX) == {*COUNCIL_SKILLS, *COUNCIL_FORMATS}
    assert set(MIX) <= set(SOURCES)


@pytest.mark.parametrize(
    ("file", "taught"),
    [
        ("council-discussion.txt", formats.DISCUSSION),
        ("council-grade.txt", formats.GRADE),
        ("council-judge.txt", shared_formats.JUDGEMENT),
    ],
)
def test_the_examples_ask_as_it_was_taught(file: str, taught: str) -> None:
    assert (PROMPTS / file).read_text().removesuffix("\n") == taught
