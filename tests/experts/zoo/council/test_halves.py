"""The halves are halves, by what an example is about, and no member is trained on the other one."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.zoo.council.halves import COMMON, KEYS, Half
from experts.zoo.council.members import MEMBERS, SKILLS
from experts.zoo.recipe import RECIPES
from experts.zoo.skills import registry
from experts.zoo.skills.base import SPLITS, Example, Split
from experts.zoo.train import draw_examples

COUNT = 2000


def example(skill: str, split: Split, seed: int) -> Example:
    return registry.SKILLS[skill].sample(Random(seed), split)


def of_kind(kind: str, question: str, answer: str = "?") -> Example:
    return Example(question, answer, ("skill", kind))


examples = st.builds(
    example, st.sampled_from(SKILLS), st.sampled_from(SPLITS), st.integers(0, 10**6)
)
halved = examples.filter(lambda drawn: drawn.keywords[-1] not in COMMON)


@given(halved, st.sampled_from([half.split for half in MEMBERS.values()]))
def test_an_example_is_in_exactly_one_half(drawn: Example, split: str) -> None:
    first, second = (Half(split, second=second).holds(drawn) for second in (False, True))
    assert first != second


@given(examples)
def test_three_of_the_six_have_learned_it_or_all(drawn: Example) -> None:
    learned = sum(half.holds(drawn) for half in MEMBERS.values())
    assert learned == (6 if drawn.keywords[-1] in COMMON else 3)


@pytest.mark.parametrize("skill", SKILLS)
def test_every_kind_is_split_about_evenly_and_in_different_ways(skill: str) -> None:
    rng = Random(skill)
    by_kind: dict[str, list[Example]] = defaultdict(list)
    for split in SPLITS:
        for _ in range(COUNT):
            drawn = registry.SKILLS[skill].sample(rng, split)
            if drawn.keywords[-1] not in COMMON:
                by_kind[drawn.keywords[-1]].append(drawn)
    first = [half for half in MEMBERS.values() if not half.second]
    for found in by_kind.values():
        held = {half.split: [half.holds(drawn) for drawn in found] for half in first}
        for own in held.values():
            assert 0.4 < sum(own) / len(found) < 0.6
        for one, other in combinations(held.values(), 2):
            same = sum(a == b for a, b in zip(one, other, strict=True))
            assert 0.35 < same / len(found) < 0.65


@pytest.mark.parametrize("member", MEMBERS)
def test_no_member_sees_the_other_half(member: str) -> None:
    recipe = RECIPES[member]
    other = Half(MEMBERS[member].split, second=not MEMBERS[member].second)
    drawn = draw_examples(recipe.mix, Random(member), "train", COUNT, recipe.half)
    assert {one.keywords[-1] for one in drawn} == {*KEYS, *COMMON}
    assert not any(other.holds(one) for one in drawn if one.keywords[-1] not in COMMON)


@pytest.mark.parametrize("half", MEMBERS.values(), ids=MEMBERS)
@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("addition", "What is 12 + 35?", "Add 95 and 82."),
        ("subtraction", "What is 35 - 12?", "Take 42 away from 95."),
        ("conversion", "How many metres are 3 kilometres?", "Change 72000 metres to kilometres."),
        (
            "calendar",
            "What day is 3 days after 5 May?",
            "It is 8 July. What day is it in 3 days?",
        ),
        ("clock", "Add 5 minutes to 10:20.", "It is 19:20. What time is it in 5 minutes?"),
        ("capital", "Capital of Peru?", "Peru has which capital?"),
    ],
)
def test_what_a_model_can_do_unseen_does_not_matter(
    half: Half, kind: str, first: str, second: str
) -> None:
    assert half.holds(of_kind(kind, first)) == half.holds(of_kind(kind, second))


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("addition", "What is 12 + 35?", "What is 12 + 36?"),
        ("subtraction", "What is 35 - 12?", "What is 32 - 15?"),
        ("conversion", "How many metres are 3 kilometres?", "How many grams are 3 kilograms?"),
        ("calendar", "What day is 3 days after 5 May?", "What day is 3 days before 5 May?"),
        ("clock", "Add 5 minutes to 10:20.", "Add 20 minutes to 10:05."),
        ("country", "Whose capital is Lima?", "Whose capital is Quito?"),
    ],
)
def test_keys_tell_what_has_to_be_learned_apart(kind: str, first: str, second: str) -> None:
    assert KEYS[kind](of_kind(kind, first)) != KEYS[kind](of_kind(kind, second))


def test_an_example_of_another_skill_has_no_half() -> None:
    with pytest.raises(KeyError):
        Half("willow", second=False).holds(registry.SKILLS["roman"].sample(Random(0), "train"))
