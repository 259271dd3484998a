"""Examples of the generalist's prompt formats, made from the skills' examples."""

from __future__ import annotations

from random import Random

from experts.zoo import formats
from experts.zoo.skills.base import Example, Skill, Split
from experts.zoo.skills.registry import SINGLE_SKILLS, SKILLS

FEWEST_CANDIDATES, MOST_CANDIDATES = 3, 5


def other_answer(rng: Random, split: Split, skill_name: str, taken: set[str]) -> str:
    """Draw an answer of a skill that is not taken yet."""
    while True:
        answer = SKILLS[skill_name].sample(rng, split).answer
        if answer not in taken:
            return answer


def wrong_kind(rng: Random, split: Split, skill_name: str, answer: str) -> str:
    """Draw an answer of another kind than the skill's: a number instead of a word, or a word."""
    while True:
        name = rng.choice([name for name in SINGLE_SKILLS if name != skill_name])
        candidate = other_answer(rng, split, name, {answer})
        if looks_like_number(candidate) != looks_like_number(answer):
            return candidate


def looks_like_number(answer: str) -> bool:
    """Tell whether an answer starts with a digit."""
    return answer[0].isdecimal()


def sample_keywords(rng: Random, split: Split) -> Example:
    """Sample a question whose keywords are asked for."""
    name = rng.choice((*SINGLE_SKILLS, "two_skill"))
    example = SKILLS[name].sample(rng, split)
    reply = ", ".join(example.keywords)
    return Example(formats.keywords_prompt(example.question), reply, ("keywords",))


def sample_majority(rng: Random, split: Split) -> Example:
    """Sample candidates of which more than half agree."""
    name = rng.choice(SINGLE_SKILLS)
    example = SKILLS[name].sample(rng, split)
    count = rng.randint(FEWEST_CANDIDATES, MOST_CANDIDATES)
    agreeing = rng.randint(count // 2 + 1, count)
    candidates = [example.answer] * agreeing
    while len(candidates) < count:
        if rng.random() < 0.6:
            candidates.append(other_answer(rng, split, name, {example.answer}))
        else:
            candidates.append(wrong_kind(rng, split, name, example.answer))
    rng.shuffle(candidates)
    prompt = formats.synthesis_prompt(example.question, candidates)
    return Example(prompt, example.answer, ("synthesis",))


def sample_best_formed(rng: Random, split: Split) -> Example:
    """Sample candidates of which only one is of the right kind."""
    name = rng.choice(SINGLE_SKILLS)
    example = SKILLS[name].sample(rng, split)
    candidates = [example.answer, wrong_kind(rng, split, name, example.answer)]
    rng.shuffle(candidates)
    prompt = formats.synthesis_prompt(example.question, candidates)
    return Example(prompt, example.answer, ("synthesis",))


def sample_judgement(rng: Random, split: Split) -> Example:
    """Sample a right answer and one of the wrong kind."""
    name = rng.choice(SINGLE_SKILLS)
    example = SKILLS[name].sample(rng, split)
    wrong = wrong_kind(rng, split, name, example.answer)
    right_first = rng.random() < 0.5
    pair = (example.answer, wrong) if right_first else (wrong, example.answer)
    prompt = formats.judgement_prompt(example.question, *pair)
    return Example(prompt, "A" if right_first else "B", ("judgement",))


FORMATS: dict[str, Skill] = {
    "keywords": Skill("keywords", "Name the skills of a question.", sample_keywords),
    "majority": Skill("majority", "Copy the candidate that most agree on.", sample_majority),
    "best_formed": Skill("best_formed", "Copy the candidate that fits.", sample_best_formed),
    "judgement": Skill("judgement", "Choose the candidate that fits.", sample_judgement),
}
