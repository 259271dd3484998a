"""Risk and coverage: whether a router would rather not answer what its experts get wrong.

Questions are ordered by a confidence, and the accuracy of the most confident share of them is
counted (R. El-Yaniv and Y. Wiener, JMLR 11, 2010). AURC is the mean risk over all shares
(Y. Geifman, G. Uziel and R. El-Yaniv, arXiv 1805.08206, section 3): lower is better.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.benchmarks.routing.experiment import Split, fit
from evals.benchmarks.routing.votes import ROUTER
from evals.runs.recorded import Recorded
from routers.fitted.coverage import SLACK, margin
from routers.fitted.coverage_distance import CoverageDistance
from routers.fitted.training_set import Floats

DISTANCE, QUALITY, LEAD = "guard's distance", "predicted quality", "lead over the second"
SIGNALS = (DISTANCE, QUALITY, LEAD)
FOREIGN = "foreign"
GUARD = {"coverage": {"action": "abstain", "tests": ["distance"]}}
"""The guard as a configuration turns it on, with its rate of false alarms left at the default."""
DRAWS = 500
"""Samples of a bootstrap."""


@dataclass(frozen=True, eq=False)
class Answered:
    """T questions, what the chosen expert scored on each, and how confident the router was."""

    scores: Floats
    """[T] in 0..1; 0 for a foreign question, which no expert is known to answer."""
    categories: NDArray[np.str_]
    """[T]; `FOREIGN` for a question of another table."""
    confidence: Mapping[str, Floats]
    """For each of SIGNALS [T]: higher is surer."""
    alarmed: NDArray[np.bool_]
    """[T] whether the guard would have raised an alarm at its own threshold."""

    def take(self, rows: NDArray[np.bool_]) -> "Answered":
        """Some of the questions."""
        confidence = {name: values[rows] for name, values in self.confidence.items()}
        return Answered(self.scores[rows], self.categories[rows], confidence, self.alarmed[rows])


@dataclass(frozen=True, slots=True)
class Area:
    """The area under one risk-coverage curve, and what abstaining by it spares."""

    aurc: float
    spared: float
    """Area under random abstention's minus this one; above 0 where the signal helps."""
    low: float
    high: float
    """95 % interval of `spared`."""

    @property
    def helps(self) -> bool:
        """Whether it is surely better than abstaining at random."""
        return self.low > 0


def run(
    recorded: Recorded,
    splits: Sequence[Split],
    vectors: Floats,
    encoder: str,
    foreign: Floats,
    doing: Callable[[str, int, int], None],
) -> Answered:
    """Answer the test rows of the splits by the router that was fitted on the others.

    `foreign` [F, dimension] are questions of another table, which may be none: each is asked in one
    of the splits.
    """
    parts = []
    turn = np.random.default_rng(0).permutation(len(foreign)) % len(splits)
    for number, (seen, unseen) in enumerate(splits):
        doing(f"fitting {ROUTER}, part {number + 1} of {len(splits)}", number, len(splits))
        evidence = recorded.training_set(seen, vectors, encoder)
        columns = np.array([recorded.models.index(name) for name in evidence.experts])
        fitted = fit(ROUTER, evidence, GUARD)
        strangers = foreign[turn == number]
        asked = np.concatenate([vectors[unseen], strangers])
        predicted = fitted.scores(asked)
        chosen = predicted.argmax(axis=1)[: len(unseen)]
        right = recorded.scores[unseen, columns[chosen]]
        far = CoverageDistance.of(evidence).distance(asked)
        parts.append(
            Answered(
                np.concatenate([right, np.zeros(len(strangers))]),
                np.array(
                    [recorded.queries[row].task for row in unseen] + [FOREIGN] * len(strangers)
                ),
                {DISTANCE: -far, QUALITY: predicted.max(axis=1), LEAD: margin(predicted)},
                far > SLACK * fitted.limits.distance,
            )
        )
    return Answered(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.categories for part in parts]),
        {name: np.concatenate([part.confidence[name] for part in parts]) for name in SIGNALS},
        np.concatenate([part.alarmed for part in parts]),
    )


def accuracies(scores: Floats, confidence: Floats) -> Floats:
    """[T] mean score of the 1, 2 to T most confident of T questions.

    Questions that are equally confident count as in a random order: each as their mean.
    """
    _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    means = np.bincount(group, scores) / sizes
    return np.asarray(np.cumsum(np.repeat(means, sizes)) / np.arange(1, len(scores) + 1))


def aurc(scores: Floats, confidence: Floats) -> float:
    """Area under the risk-coverage curve, 0..1: mean share of wrong answers over all shares."""
    return float(1.0 - accuracies(scores, confidence).mean())


def area(scores: Floats, confidence: Floats) -> Area:
    """The area, and by a bootstrap over questions whether it is below random abstention's.

    Abstaining at random has the same risk at every share: that of all questions.
    """
    found = aurc(scores, confidence)
    rng = np.random.default_rng(0)
    spared = []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(scores), len(scores))
        spared.append(1.0 - scores[rows].mean() - aurc(scores[rows], confidence[rows]))
    low, high = np.quantile(spared, [0.025, 0.975])
    return Area(found, float(1.0 - scores.mean() - found), float(low), float(high))
