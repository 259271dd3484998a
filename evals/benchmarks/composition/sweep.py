"""Maps under growing budgets, each fitted on some questions and measured on the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evals.benchmarks.composition.evidence import Evidence
from evals.benchmarks.composition.oracle import by_lot, frontier, grown
from evals.benchmarks.composition.parts import Doing, Part
from routers.composition.mapping import Mapping, Utilities, solve
from routers.fitted.training_set import Floats

Kind = Literal["total", "active"]
"""What is bounded: the parameters of all experts that are kept, or those that work on a token, on
average over the questions."""


@dataclass(frozen=True, eq=False)
class Point:
    """What a budget buys, on T held-out questions."""

    budget: float
    scores: Floats
    """[T] of the composition."""
    experts: float
    """How many experts are kept, in the mean over the parts."""
    total: float
    """Their parameters, in the mean over the parts."""
    active: float
    """Active parameters of who answered, in the mean over the held-out questions."""
    single: Floats
    """[T] of the best single expert within the budget, chosen on the questions fitted on."""
    single_name: str
    """Which one that was, in most parts."""
    by_lot: Floats | None
    """[T] expected scores where a lot decides between two single experts, with this many
    active parameters on average; None under a budget of total parameters, since both are kept."""
    informed: Floats
    """[T] of the best map for the held-out questions, whose categories and scores it knows."""
    oracle: float
    """Mean score where the best expert answers each question, as far as the budget goes."""


def budgets(sizes: Floats, end: float, points: int) -> list[float]:
    """The sizes of the single experts, and `points` geometric steps from the smallest to `end`."""
    steps = np.geomspace(sizes.min(), end, points)
    return sorted({*map(float, sizes), *(float(f"{step:.3g}") for step in steps[1:])})


def sweep(
    evidence: Evidence, parts: Sequence[Part], kind: Kind, points: int, doing: Doing
) -> list[Point]:
    """The best map of each part under each budget, on the part's held-out questions."""
    sizes = evidence.total if kind == "total" else evidence.active
    end = float(sizes.sum() if kind == "total" else sizes.max())
    scores = np.concatenate([part.scores for part in parts])
    curve = frontier(scores, evidence.active) if kind == "active" else None
    wanted = budgets(sizes, end, points)
    found = []
    for step, budget in enumerate(wanted):
        doing(f"maps under {kind} budgets", step, len(wanted))
        best = curve(budget) if curve else float(grown(scores, sizes, budget).mean())
        found.append(_point(evidence, parts, kind, budget, best))
    return found


def _point(
    evidence: Evidence, parts: Sequence[Part], kind: Kind, budget: float, oracle: float
) -> Point:
    sizes = evidence.total if kind == "total" else evidence.active
    maps = [_solved(evidence, part.found, kind, budget) for part in parts]
    informed = [_solved(evidence, part.truth, kind, budget) for part in parts]
    chosen = [part.chosen(one) for part, one in zip(parts, maps, strict=True)]
    fitting = sizes <= budget
    singles = [int(np.where(fitting, part.means, -1.0).argmax()) for part in parts]
    lots = None
    if kind == "active":
        lots = np.concatenate([p.scores @ by_lot(p.means, sizes, budget) for p in parts])
    names = Counter(evidence.training_set.experts[one] for one in singles)
    return Point(
        budget,
        np.concatenate([part.scored(own) for part, own in zip(parts, chosen, strict=True)]),
        float(np.mean([len(one.chosen) for one in maps])),
        float(np.mean([one.total for one in maps])),
        float(evidence.active[np.concatenate(chosen)].mean()),
        np.concatenate([part.scores[:, one] for part, one in zip(parts, singles, strict=True)]),
        names.most_common(1)[0][0],
        lots,
        np.concatenate(
            [
                part.scored(one.experts[part.true_categories])
                for part, one in zip(parts, informed, strict=True)
            ]
        ),
        oracle,
    )


def _solved(evidence: Evidence, found: Utilities, kind: Kind, budget: float) -> Mapping:
    total, active = (budget, None) if kind == "total" else (None, budget)
    return solve(found, evidence.total, total, active, active_sizes=evidence.active)
