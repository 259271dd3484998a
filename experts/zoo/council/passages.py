"""Passages of made-up facts, a question about one of them with two answers, and what to quote.

Some facts are revised later in the passage. Then the wrong answer is the earlier one, and a true
quote speaks for it as long as nobody quotes the later sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from experts.zoo.skills.base import Split, draw
from experts.zoo.skills.logic import NAMES

THINGS = ("apples", "coins", "books", "pens", "cups", "eggs", "nuts", "stamps")
ROOMS = ("kitchen", "garden", "cellar", "attic", "hall", "office", "barn", "garage")
ITEMS = ("key", "map", "lamp", "bell", "ball", "ring", "coat", "flute")
LARGEST_COUNT = 99
FEWEST_SENTENCES, MOST_SENTENCES = 8, 14
REVISED_SHARE = 1 / 3
LATER = "Later "


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that can be asked for: a question, and a sentence that says a value of it."""

    question: str
    sentence: str
    """With the field {value}; as it stands after the word `Later` or at the start."""

    def say(self, value: str, later: bool) -> str:
        """State a value, as what was so at first or as what was so later."""
        text = self.sentence.format(value=value)
        return f"{LATER}{text}" if later else text[0].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of topics: how to draw one, and how to draw a value of it."""

    topic: Callable[[Random], Topic]
    value: Callable[[Random], str]


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage, and a question about it with a right and a wrong answer."""

    sentences: tuple[str, ...]
    question: str
    right: str
    wrong: str
    decisive: str
    """The sentence that decides the question."""
    misleading: str
    """A true sentence that speaks for the wrong answer: outdated, or about something else."""
    invented: str
    """A sentence like the decisive one for the wrong answer; it is not in the passage."""

    @property
    def text(self) -> str:
        """The whole passage, a sentence a line."""
        return "\n".join(self.sentences)

    @property
    def others(self) -> tuple[str, ...]:
        """The sentences that decide nothing, in their order."""
        told = (self.decisive, self.misleading)
        return tuple(one for one in self.sentences if one not in told)


def _count(rng: Random) -> Topic:
    name, things = rng.choice(NAMES), rng.choice(THINGS)
    return Topic(
        f"How many {things} did {name} have in the end?", f"{name} had {{value}} {things}."
    )


def _seat(rng: Random) -> Topic:
    name = rng.choice(NAMES)
    return Topic(f"Where did {name} sit in the end?", f"{name} sat in the {{value}}.")


def _holder(rng: Random) -> Topic:
    item = rng.choice(ITEMS)
    return Topic(f"Who had the {item} in the end?", f"the {item} was with {{value}}.")


KINDS = (
    Kind(_count, lambda rng: str(rng.randint(1, LARGEST_COUNT))),
    Kind(_seat, lambda rng: rng.choice(ROOMS)),
    Kind(_holder, lambda rng: rng.choice(NAMES)),
)


def _other(draw_one: Callable[[Random], str], rng: Random, taken: str) -> str:
    while (drawn := draw_one(rng)) == taken:
        pass
    return drawn


def _other_topic(kind: Kind, rng: Random, topic: Topic) -> Topic:
    while (drawn := kind.topic(rng)).question == topic.question:
        pass
    return drawn


def _mix(rng: Random, groups: list[list[str]]) -> tuple[str, ...]:
    """Put the sentences of all groups together at random; each group keeps its order."""
    turns = [number for number, group in enumerate(groups) for _ in group]
    rng.shuffle(turns)
    left = [iter(group) for group in groups]
    return tuple(next(left[number]) for number in turns)


def sample_passage(rng: Random, split: Split) -> Passage:
    """Sample a passage; what is asked and its right answer together belong to the split."""
    kind = rng.choice(KINDS)
    topic, right = draw(
        rng,
        split,
        lambda r: (kind.topic(r), kind.value(r)),
        lambda drawn: (drawn[0].question, drawn[1]),
    )
    wrong = _other(kind.value, rng, right)
    revised = rng.random() < REVISED_SHARE
    decisive = topic.say(right, later=revised)
    # The wrong answer is what was so at first, or what is so of something else.
    other = topic if revised else _other_topic(kind, rng, topic)
    misleading = other.say(wrong, later=False)
    groups = [[misleading, decisive]] if revised else [[decisive], [misleading]]
    taken = {topic.question, other.question}
    length = rng.randint(FEWEST_SENTENCES, MOST_SENTENCES)
    while sum(map(len, groups)) < length:
        filler = rng.choice(KINDS)
        about, value = filler.topic(rng), filler.value(rng)
        if about.question in taken:  # Of one kind, there may be no other left.
            continue
        taken.add(about.question)
        told = [about.say(value, later=False)]
        if sum(map(len, groups)) + 1 < length and rng.random() < REVISED_SHARE:
            told.append(about.say(_other(filler.value, rng, value), later=True))
        groups.append(told)
    # "Later ..." is never in a passage whose fact was not revised, and "..." only with `wrong`
    # where it was: so what is invented is nowhere in the passage.
    invented = topic.say(wrong, later=revised or rng.random() < REVISED_SHARE)
    return Passage(_mix(rng, groups), topic.question, right, wrong, decisive, misleading, invented)


def honest_quotes(passage: Passage, count: int) -> list[str]:
    """What the honest side quotes: the sentence that decides, then others."""
    return [passage.decisive, *passage.others][:count]


def dishonest_quotes(passage: Passage, count: int, *, invents: bool) -> list[str]:
    """What the other side quotes: a sentence that it invents or that misleads, then others."""
    first = passage.invented if invents else passage.misleading
    return [first, *reversed(passage.others)][:count]
