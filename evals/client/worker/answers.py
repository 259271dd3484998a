"""What models said to the questions of tasks, and how good it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

Scores = Mapping[str, tuple[float, ...]]
"""Of each task's questions, in its order, 0 (wrong) to 1 (right); by the task's name."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model, or one way of using several, said to the questions of each task."""

    name: str
    texts: Mapping[str, tuple[str, ...]]
    scores: Scores

    def flat(self) -> list[float]:
        """The scores of all tasks, one after the other."""
        return list(chain.from_iterable(self.scores.values()))
