"""Examples of the formats in which the council's generalist merges, reconsiders and judges."""

from __future__ import annotations

from collections import Counter
from random import Random

from experts.zoo import formats
from experts.zoo.council.formats import discussion_prompt, grade_prompt
from experts.zoo.council.generalist_misses import near_miss
from experts.zoo.council.passages_examples import DEBATES
from experts.zoo.skills.base import Example, Skill, Split
from experts.zoo.skills.registry import SKILLS

COUNCIL_SKILLS = ("arithmetic", "units", "geography")
FEWEST_CANDIDATES, MOST_CANDIDATES = 3, 6
RIGHT_SHARES = (0.2, 0.85)
"""Between these lies the chance of a candidate to be right; one always is, and one is wrong."""
REPEATED_SHARE = 0.4
"""How often a wrong candidate says the same as another wrong one."""
RIGHT_GRADE, WRONG_GRADE = "10", "0"


def _question(rng: Random, split: Split) -> Example:
    return SKILLS[rng.choice(COUNCIL_SKILLS)].sample(rng, split)


def candidates(rng: Random, example: Example, count: int) -> list[str]:
    """Draw answers to a question in any order: the right one, and others right or near it."""
    share, wrong = rng.uniform(*RIGHT_SHARES), [near_miss(rng, example)]
    for _ in range(count - 2):
        if rng.random() >= share:
            again = rng.random() < REPEATED_SHARE
            wrong.append(rng.choice(wrong) if again else near_miss(rng, example))
    drawn = [example.answer] * (count - len(wrong)) + wrong
    rng.shuffle(drawn)
    return drawn


def sample_merging(rng: Random, split: Split) -> Example:
    """Sample candidates that need not have a majority, and need not have a right one."""
    example = _question(rng, split)
    drawn = candidates(rng, example, rng.randint(FEWEST_CANDIDATES, MOST_CANDIDATES))
    return Example(
        formats.synthesis_prompt(example.question, drawn), example.answer, ("synthesis",)
    )


def sample_reconsidering(rng: Random, split: Split) -> Example:
    """Sample an own answer, right or wrong, and what others say."""
    example = _question(rng, split)
    own, *others = candidates(rng, example, rng.randint(FEWEST_CANDIDATES, MOST_CANDIDATES))
    prompt = discussion_prompt(example.question, own, Counter(others))
    return Example(prompt, example.answer, ("discussion",))


def sample_pairs(rng: Random, split: Split) -> Example:
    """Sample a right answer and a wrong one of its kind, in either order."""
    example = _question(rng, split)
    pair = (example.answer, near_miss(rng, example))
    right_first = rng.random() < 0.5
    prompt = formats.judgement_prompt(example.question, *(pair if right_first else pair[::-1]))
    return Example(prompt, "A" if right_first else "B", ("judgement",))


def sample_grades(rng: Random, split: Split) -> Example:
    """Sample one answer, right or wrong, that is to be graded."""
    example = _question(rng, split)
    if rng.random() < 0.5:
        return Example(grade_prompt(example.question, example.answer), RIGHT_GRADE, ("grade",))
    prompt = grade_prompt(example.question, near_miss(rng, example))
    return Example(prompt, WRONG_GRADE, ("grade",))


COUNCIL_FORMATS: dict[str, Skill] = {
    "merging": Skill("merging", "Merge candidates into one answer.", sample_merging),
    "reconsidering": Skill(
        "reconsidering", "Answer again after hearing others.", sample_reconsidering
    ),
    "pairs": Skill("pairs", "Choose the right one of two near answers.", sample_pairs),
    "grades": Skill("grades", "Grade one answer.", sample_grades),
    **DEBATES,
}
