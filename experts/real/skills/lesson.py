"""A question as it is taught: what counts as right, and the reply that says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from experts.zoo.skills.base import Example, Split


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question with the answer that a scorer looks for, and a whole reply that holds it."""

    question: str
    answer: str
    reply: str
    keywords: tuple[str, ...]

    def taught(self) -> Example:
        """What training shows: the question with its whole reply."""
        return Example(self.question, self.reply, self.keywords)


@dataclass(frozen=True, slots=True)
class LessonSkill:
    """A named source of lessons, and how their answers are scored.

    `draw` is a pure function of the generator and the split.
    """

    name: str
    description: str
    scorer: str
    max_tokens: int
    draw: Callable[[Random, Split], Lesson]
