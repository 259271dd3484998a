"""What a scorer is: a pure function of a question's fields and an answer's text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict


class Answered(Protocol):
    """What a scorer needs of a question."""

    @property
    def answer(self) -> str:
        """The answer that counts as right; empty where `fields` say it all."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """Whatever else the question's scorer needs: tests, instructions, options."""


class NeedsGrading(ValueError):
    """No rule can score this answer: an expert has to grade it."""


class Options(BaseModel):
    """A scorer's options, as they stand in a task's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Rule = Callable[[Answered, str], float]
"""Quality of an answer in 0..1. The same arguments always give the same number."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A rule with its name and options."""

    name: str
    options: Options
    rule: Rule
    waits: bool = False
    """Whether it waits for child processes, so that several at once are faster."""

    def __call__(self, sample: Answered, text: str) -> float:
        """Quality of an answer in 0..1; raises what the rule raises."""
        return self.rule(sample, text)
