"""What every expert answered to every question: all that compositions are replayed from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregators.grouping import AnswerKind
from evals.compose.ballots import SILENT, Floats, Numbers
from experts.errors import ConfigError
from routers.fitted.training_set import TrainingSet
from routers.outcomes import Query

FEWEST = 40
"""Questions, without which nothing can be chosen and tested."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """N questions that all M experts answered."""

    queries: tuple[Query, ...]
    """Their task is the category."""
    groups: NDArray[np.str_]
    """[N] equal questions have equal groups."""
    experts: tuple[str, ...]
    scores: Floats
    """[N, M] in 0..1."""
    labels: Numbers
    """[N, M] what is concluded, as whole numbers that are equal in a row where the answers are;
    -1 where nothing can be read."""
    prices: Floats
    """[N, M] of a call, in `unit`; all NaN where they are not known."""
    seconds: Floats
    """[N, M] of a call; all NaN where they are not known."""
    tokens: Floats
    """[N, M] written in a call; all NaN where they are not known."""
    memory_gb: Floats
    """[M] what an expert takes in its slot, 0 for a remote one; all NaN where it is not known."""
    rates: Floats
    """[M] what an expert costs, as a plan compares prices: in any unit; NaN where not known."""
    unit: str
    answer: AnswerKind
    """How answers were read, as the key `answer` of a vote."""
    versions: tuple[str, ...]
    """[M] of the experts."""
    tasks: tuple[str, ...] = ()
    """Which were asked, where that is known."""
    left_out: int = 0
    """Questions that not all experts answered."""

    def take(self, rows: Numbers) -> "Matrix":
        """Some of the questions, by row number."""
        return replace(
            self,
            queries=tuple(self.queries[row] for row in rows),
            groups=self.groups[rows],
            scores=self.scores[rows],
            labels=self.labels[rows],
            prices=self.prices[rows],
            seconds=self.seconds[rows],
            tokens=self.tokens[rows],
        )

    def only(self, experts: Sequence[str]) -> "Matrix":
        """Some of the experts, in the order of the matrix. Raises ConfigError for one it lacks."""
        if unknown := [name for name in experts if name not in self.experts]:
            raise ConfigError(
                f"There are no answers of {', '.join(unknown)}.",
                hint=f"There are those of {', '.join(self.experts)}.",
            )
        kept = np.array([column for column, name in enumerate(self.experts) if name in experts])
        return replace(
            self,
            experts=tuple(self.experts[column] for column in kept),
            versions=tuple(self.versions[column] for column in kept),
            scores=self.scores[:, kept],
            labels=self.labels[:, kept],
            prices=self.prices[:, kept],
            seconds=self.seconds[:, kept],
            tokens=self.tokens[:, kept],
            memory_gb=self.memory_gb[kept],
            rates=self.rates[kept],
        )

    def training_set(self, vectors: NDArray[np.float32], encoder: str) -> TrainingSet:
        """The questions as what a router is fitted from, the best expert first, then by name."""
        order = np.lexsort((np.array(self.experts), -self.scores.mean(axis=0)))
        return TrainingSet(
            self.queries,
            tuple(self.experts[column] for column in order),
            vectors,
            self.scores[:, order].astype(np.float64),
            encoder,
        )


def check(matrix: Matrix) -> None:
    """Raise ConfigError where there is nothing to compose, or too little to tell."""
    if len(matrix.experts) < 2:
        found = f"only one expert ({matrix.experts[0]})" if matrix.experts else "no expert"
        raise ConfigError(
            f"There is {found} to compose.",
            hint="Ask at least two experts the same questions: `coterie eval run --models a,b`.",
        )
    if len(matrix.queries) < FEWEST:
        dropped = f" ({matrix.left_out} were left out)" if matrix.left_out else ""
        raise ConfigError(
            f"All {len(matrix.experts)} experts answered only {len(matrix.queries)} questions"
            f"{dropped}; {FEWEST} are the fewest from which to choose and test.",
            hint="Ask more questions, or leave out an expert that was asked few.",
        )
    if len(np.unique(matrix.groups)) < FEWEST:
        raise ConfigError(
            f"Only {len(np.unique(matrix.groups))} of the questions differ; {FEWEST} are needed."
        )


def numbered(answers: Sequence[Any]) -> list[int]:
    """A question's answers as whole numbers, in the order in which they first occur."""
    known: dict[Any, int] = {}
    return [SILENT if one is None else known.setdefault(one, len(known)) for one in answers]


def known_or_nothing(values: Floats) -> Floats:
    """The values where all are numbers; else all NaN: a mean of some would compare unlike calls."""
    values = np.asarray(values, dtype=float)
    return values if np.isfinite(values).all() else np.full(values.shape, np.nan)
