"""The paper's claim: a composition beats every single expert that is no larger than it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evals.benchmarks.composition.evidence import Evidence
from evals.benchmarks.composition.parts import Part
from evals.benchmarks.composition.sweep import Kind, Point
from evals.reporting.intervals import Accuracy, accuracy_of

SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """A composition beside the single experts that are no larger."""

    budget: float
    rival: str
    """Of these the best one on the held-out questions themselves: the hardest to beat."""
    rival_accuracy: float
    gain: Accuracy
    """Of the composition over the rival, paired."""
    beats_all: bool
    """Whether it is above every one of them, each interval of 95 % above 0."""
    over_lot: Accuracy | None
    """Its gain over a lot between two single experts, where the budget is of active parameters."""

    @property
    def beats_lot(self) -> bool:
        """Whether it is above the lot, the interval of 95 % above 0."""
        return self.over_lot is not None and self.over_lot.low > 0


def compare(
    evidence: Evidence, parts: Sequence[Part], kind: Kind, points: Sequence[Point]
) -> list[Comparison]:
    """One comparison for each budget."""
    sizes = evidence.total if kind == "total" else evidence.active
    scores = np.concatenate([part.scores for part in parts])
    found = []
    for point in points:
        # On held-out questions an average may come out a little above its budget.
        size = max(point.budget, point.active) if kind == "active" else point.budget
        rivals = np.flatnonzero(sizes <= size * (1 + SLACK))
        gains = [accuracy_of(point.scores - scores[:, one], signed=True) for one in rivals]
        lot = point.by_lot
        best = int(scores[:, rivals].mean(axis=0).argmax())
        found.append(
            Comparison(
                point.budget,
                evidence.training_set.experts[rivals[best]],
                float(scores[:, rivals[best]].mean()),
                gains[best],
                all(gain.low > 0 for gain in gains),
                None if lot is None else accuracy_of(point.scores - lot, signed=True),
            )
        )
    return found


def ranges(
    comparisons: Sequence[Comparison], wins: Callable[[Comparison], bool]
) -> list[tuple[Comparison, Comparison]]:
    """The first and the last of each run of budgets under which the composition wins."""
    found: list[tuple[Comparison, Comparison]] = []
    before = False
    for one in comparisons:
        now = wins(one)
        if now and before:
            found[-1] = (found[-1][0], one)
        elif now:
            found.append((one, one))
        before = now
    return found
