"""What routers say to questions that they have not seen: each is fitted once for each fold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.compose.answers.matrix import Matrix
from evals.compose.ballots import Floats, Numbers
from evals.compose.composition import MEANS, Order
from evals.compose.steps import Doing
from experts.errors import ConfigError
from routers.fitted.cross_validation import trusted
from routers.fitted.training_set import TrainingSet
from routers.registry import router_class

OUTCOMES = Path("outcomes.parquet")
"""A router wants to know where its outcomes are; here it gets them directly."""
FEWEST_REPORTED = 5
"""Questions of a part, below which its report tells nothing."""
LONGER = {"factors": 20}
"""How many times longer a type of router takes to fit than others do, about."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions for T questions, of all orders that were fitted."""

    raw: Mapping[Order, Floats]
    """[T, M] by what was fitted (`Order.fit`)."""
    means: Mapping[Order, Floats]
    """[T, M] the overall means towards which they are shrunk."""
    ranks: Numbers
    """[T, M] each expert's place by mean score, which decides between equal predictions."""

    def scores(self, order: Order) -> Floats:
        """[T, M] in 0..1, as the router gives them with this trust."""
        means = self.means[order.fit]
        return trusted(self.raw[order.fit], means, order.trust, np.ones_like(means))


@dataclass(frozen=True, eq=False)
class Embedded:
    """Questions with their vectors."""

    matrix: Matrix
    vectors: NDArray[np.float32]
    """[N, dimension]"""
    encoder: str

    def take(self, rows: Numbers) -> "Embedded":
        """Some of the questions, by row number."""
        return Embedded(self.matrix.take(rows), self.vectors[rows], self.encoder)


def parts(groups: NDArray[np.str_], count: int, seed: int) -> Iterator[tuple[Numbers, Numbers]]:
    """The row numbers of all other parts and of each; equal groups are in one part."""
    _, number = np.unique(groups, return_inverse=True)
    part = np.random.default_rng(seed).permutation(number.max() + 1)[number] % count
    for one in range(count):
        yield np.flatnonzero(part != one), np.flatnonzero(part == one)


def check_cuts(count: int, into: int, folds: int) -> None:
    """Raise ConfigError where `count` different questions are too few for these parts or folds."""
    most = count // FEWEST_REPORTED
    if into > most:
        raise ConfigError(
            f"--parts {into}: {count} different questions make {most} parts at most:"
            f" a report on fewer than {FEWEST_REPORTED} questions tells nothing.",
            hint="Ask more questions, or leave the option out.",
        )
    left = count - -(-count // into)
    if folds > left:
        raise ConfigError(
            f"--folds {folds}: a search chooses on {left} of the {count} different questions here,"
            " and every fold needs one.",
            hint="Ask more questions, or leave the option out.",
        )


def fits(orders: Sequence[Order]) -> list[Order]:
    """What has to be fitted for these orders, each once."""
    return list(dict.fromkeys(order.fit for order in orders))


def effort(orders: Sequence[Order]) -> int:
    """How long it takes to fit all that these orders need, in fits of a fast router."""
    return sum(LONGER.get(fit.router, 1) for fit in fits(orders))


def cross_fitted(
    known: Embedded, orders: Sequence[Order], folds: int, seed: int, doing: Doing
) -> Predicted:
    """Predictions for all questions, by routers that were fitted without the question's fold."""
    shape = known.matrix.scores.shape
    found = {order.fit: (np.empty(shape), np.empty(shape)) for order in orders}
    ranks = np.empty(shape, dtype=int)
    for number, (seen, unseen) in enumerate(parts(known.matrix.groups, folds, seed)):

        def told(text: str, done: int, total: int, number: int = number) -> None:
            doing(f"{text}, fold {number + 1} of {folds}", number * total + done, folds * total)

        part = fitted_on(known.take(seen), known.take(unseen), orders, told)
        ranks[unseen] = part.ranks
        for fit, (raw, means) in found.items():
            raw[unseen], means[unseen] = part.raw[fit], part.means[fit]
    raws = {fit: raw for fit, (raw, _) in found.items()}
    return Predicted(raws, {fit: means for fit, (_, means) in found.items()}, ranks)


def fitted_on(seen: Embedded, unseen: Embedded, orders: Sequence[Order], doing: Doing) -> Predicted:
    """Predictions for unseen questions, by routers fitted on those seen."""
    evidence = seen.matrix.training_set(seen.vectors, seen.encoder)
    columns = np.array([seen.matrix.experts.index(name) for name in evidence.experts])
    ranks = np.empty(len(columns), dtype=int)
    ranks[columns] = np.arange(len(columns))
    shape = unseen.matrix.scores.shape
    raws, means = {}, {}
    done, whole = 0, effort(orders)
    for fit in fits(orders):
        doing(f"fitting {fit}", done, whole)
        done += effort([fit])
        raw, overall = _predict(fit, evidence, unseen.vectors)
        raws[fit], means[fit] = np.empty(shape), np.empty(shape)
        raws[fit][:, columns], means[fit][:, columns] = raw, overall
    return Predicted(raws, means, np.broadcast_to(ranks, shape))


def _predict(fit: Order, evidence: TrainingSet, vectors: Floats) -> tuple[Floats, Floats]:
    if fit.router == MEANS:
        return np.broadcast_to(
            evidence.means, (len(vectors), len(evidence.experts))
        ), evidence.means
    made: Any = router_class(fit.router)
    keys = {"type": fit.router, "outcomes": OUTCOMES, **dict(fit.keys)}
    predictor = made.predictor.fit(evidence, made.Config.model_validate(keys))
    return predictor.predict(vectors), predictor.means
