"""Comparing a composition with its experts on the same questions: arithmetic only, no I/O."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.client.ask import Answer
from evals.reporting.intervals import Accuracy, accuracy


@dataclass(frozen=True, slots=True)
class Run:
    """One model's answers to every question, in the order of the questions."""

    name: str
    answers: tuple[Answer, ...]
    scores: tuple[float, ...]
    seconds: float

    @property
    def tokens(self) -> int:
        """Completion tokens, as the engines counted them."""
        return sum(answer.completion_tokens for answer in self.answers)

    @property
    def first_token_ms(self) -> float | None:
        """Median time to the first token."""
        times = [a.first_token_s for a in self.answers if a.first_token_s is not None]
        return 1000 * statistics.median(times) if times else None

    @property
    def failures(self) -> tuple[Answer, ...]:
        """The calls that failed; each scored 0."""
        return tuple(answer for answer in self.answers if answer.error is not None)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table; what is computed rather than asked has no speed."""

    name: str
    accuracy: Accuracy
    by_skill: Mapping[str, float]
    tokens_per_s: float | None = None
    first_token_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """The composition, its experts, and the references between which it has to stand."""

    pool: Line
    experts: tuple[Line, ...]
    random: Line
    best_single: Line
    oracle: Line

    @property
    def lines(self) -> tuple[Line, ...]:
        """In the order of the table."""
        return (self.pool, *self.experts, self.random, self.best_single, self.oracle)

    @property
    def pool_wins(self) -> bool:
        """Whether the composition is strictly above the best single expert."""
        return self.pool.accuracy.mean > self.best_single.accuracy.mean

    def verdict(self) -> str:
        """The comparison in one sentence."""
        pool, best = self.pool, self.best_single
        relation = "is above" if self.pool_wins else "is NOT above"
        return (
            f"{pool.name} ({100 * pool.accuracy.mean:.1f} %) {relation}"
            f" the {best.name} ({100 * best.accuracy.mean:.1f} %)."
        )


def make_scoreboard(pool: Run, experts: Sequence[Run], skills: Sequence[str]) -> Scoreboard:
    """Compare runs over the same questions; `skills` names the skill of each question.

    Random is the expected score of an expert drawn for each question; the best single expert is
    chosen by these very questions, so it is a slightly optimistic opponent; the oracle picks
    the best expert for each question.
    """
    by_question = list(zip(*(run.scores for run in experts), strict=True))
    best = max(experts, key=lambda run: sum(run.scores))
    return Scoreboard(
        pool=_asked(pool, skills),
        experts=tuple(_asked(run, skills) for run in experts),
        random=_line("random", [statistics.fmean(scores) for scores in by_question], skills),
        best_single=_line(f"best single ({best.name})", best.scores, skills),
        oracle=_line("per-query oracle", [max(scores) for scores in by_question], skills),
    )


def _asked(run: Run, skills: Sequence[str]) -> Line:
    line = _line(run.name, run.scores, skills)
    speed = run.tokens / run.seconds if run.seconds else None
    return Line(line.name, line.accuracy, line.by_skill, speed, run.first_token_ms)


def _line(name: str, scores: Sequence[float], skills: Sequence[str]) -> Line:
    by_skill = {
        skill: statistics.fmean(s for s, of in zip(scores, skills, strict=True) if of == skill)
        for skill in dict.fromkeys(skills)
    }
    return Line(name, accuracy(sum(scores), len(scores)), by_skill)
