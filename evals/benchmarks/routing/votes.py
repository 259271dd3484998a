"""Votes of recorded models: all at once, adaptively, weighted by a router; beside the best single.

The counting is that of `aggregators.vote`: the same functions, over recorded answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aggregators.tally import lead_probability, log_odds_weight, tally
from evals.benchmarks.routing.experiment import (
    ORACLE,
    SINGLE,
    Experiment,
    Indices,
    Split,
    Way,
    fit,
)
from evals.runs.recorded import Recorded
from routers.fitted.training_set import Floats, TrainingSet

ROUTER = "kernel"
STOP_AT = 0.95
WRONG_ANSWERS = 9
FULL, ADAPTIVE = "plurality vote of all", "adaptive vote, router's order"
WEIGHTED, FIXED = "vote weighted by router", "adaptive vote, best first"
ROUTED = f"best by router ({ROUTER})"


class Ballot:
    """One question: what each model said, what that scored and cost."""

    def __init__(self, answers: Sequence[str | None], scores: Floats, prices: Floats) -> None:
        self._answers = answers
        self._scores = scores
        self._prices = prices

    def vote(
        self, order: Sequence[int], weights: Floats, stop_at: float | None = None
    ) -> tuple[float, float, int]:
        """Score, price and calls of a vote of the models in this order.

        Who was asked first wins a tie, and stands where no answer can be read.
        """
        asked = 0
        unit = float(weights.mean()) or 1.0
        while asked < len(order):
            asked += 1
            seen = [int(model) for model in order[:asked]]
            counted = tally([self._answers[m] for m in seen], [float(weights[m]) for m in seen])
            left = len(order) - asked
            first = next((self._answers[m] for m in seen if self._answers[m] is not None), None)
            ties = first == counted.winner
            sure = lead_probability(counted.lead, left * unit, unit, wins_ties=ties)
            if stop_at is not None and sure >= stop_at:
                break
        voters = [m for m in seen if counted.winner in (None, self._answers[m])]
        return float(self._scores[voters[0]]), float(self._prices[seen].sum()), asked


@dataclass(frozen=True, eq=False)
class Predicted:
    """What the router, fitted on the rows of a split that it may see, says of the others."""

    unseen: Indices
    """[T] row numbers."""
    evidence: TrainingSet
    """What it was fitted on; its experts are in the order of the columns."""
    columns: Indices
    """[M] of the recording, for each expert."""
    qualities: Floats
    """[T, M] predicted scores."""


def predict(
    recorded: Recorded,
    splits: Sequence[Split],
    vectors: Floats,
    encoder: str,
    doing: Callable[[str, int, int], None],
) -> list[Predicted]:
    """Fit the router once for each split: votes and panels are both made of this."""
    found = []
    for number, (seen, unseen) in enumerate(splits):
        doing(f"fitting {ROUTER}, part {number + 1} of {len(splits)}", number, len(splits))
        evidence = recorded.training_set(seen, vectors, encoder)
        columns = np.array([recorded.models.index(name) for name in evidence.experts])
        qualities = fit(ROUTER, evidence, {}).scores(vectors[unseen])
        found.append(Predicted(unseen, evidence, columns, qualities))
    return found


def run(
    recorded: Recorded,
    parts: Sequence[Predicted],
    doing: Callable[[str, int, int], None],
) -> Experiment:
    """Every way of voting on the test rows of the splits."""
    found: dict[str, list[tuple[float, float, int]]] = {}
    for number, part in enumerate(parts):
        doing(f"voting, part {number + 1} of {len(parts)}", number, len(parts))
        columns = part.columns
        for row, quality in zip(part.unseen, part.qualities, strict=True):
            ballot = Ballot(
                [recorded.answers[row, column] for column in columns],
                recorded.scores[row, columns],
                recorded.prices[row, columns],
            )
            for name, result in _ways(ballot, quality).items():
                found.setdefault(name, []).append(result)
    size = round(float(np.mean([len(part.evidence.queries) for part in parts])))
    ways = {name: _way(results) for name, results in found.items()}
    return Experiment(ways, sum(len(part.unseen) for part in parts), size, recorded.unit, ())


def _ways(ballot: Ballot, quality: Floats) -> dict[str, tuple[float, float, int]]:
    """The models stand best first in the outcomes that were fitted on."""
    count = len(quality)
    best_first, routed = list(range(count)), np.argsort(-quality, kind="stable").tolist()
    equal = np.ones(count)
    weights = np.array([log_odds_weight(float(q), WRONG_ANSWERS) for q in quality])
    alone = [ballot.vote([model], equal) for model in best_first]
    return {
        SINGLE: alone[0],
        ROUTED: alone[routed[0]],
        ORACLE: max(alone),
        FULL: ballot.vote(best_first, equal),
        ADAPTIVE: ballot.vote(routed, equal, STOP_AT),
        FIXED: ballot.vote(best_first, equal, STOP_AT),
        WEIGHTED: ballot.vote(routed, weights),
    }


def _way(results: Sequence[tuple[float, float, int]]) -> Way:
    scores, prices, calls = (np.array(column, dtype=float) for column in zip(*results, strict=True))
    return Way(scores, prices, float(calls.mean()))
