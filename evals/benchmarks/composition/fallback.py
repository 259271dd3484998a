"""What the fallback to a general expert is worth, on known categories and on foreign ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evals.benchmarks.composition.evidence import FEWEST, Evidence, Split
from evals.benchmarks.composition.parts import Doing
from evals.reporting.intervals import Accuracy, accuracy_of
from routers.composition.router import Composition
from routers.fitted.coverage import CoverageConfig, Test, alarms, calibrate
from routers.fitted.coverage_distance import CoverageDistance
from routers.fitted.cross_validation import held_out
from routers.fitted.training_set import Floats, Indices, TrainingSet

GUARDS: tuple[tuple[Test, float], ...] = (("entropy", 0.03), ("entropy", 0.2), ("distance", 0.03))
"""Tests and their rates of false alarms. The margin of the experts is none for a composition: it
says how far apart their utilities are, not how sure the category is."""
KNOWN, FOREIGN = "known categories", "a category that was not fitted on"


@dataclass(frozen=True, slots=True)
class FallbackLine:
    """One way of answering the same questions."""

    way: str
    fired: float
    """Share of the questions that the general expert answers for an alarm."""
    active: float
    """Mean active parameters of who answers."""
    accuracy: Accuracy
    gain: Accuracy | None
    """Over the composition without fallback, paired."""
    chosen_well: Accuracy | None
    """Over as many questions at random given to the general expert, paired."""


@dataclass(eq=False)
class _Collected:
    plain: list[Floats] = field(default_factory=list)
    general: list[Floats] = field(default_factory=list)
    sizes: list[Floats] = field(default_factory=list)
    """[T, 2] active parameters of the composition's choice and of the general expert."""
    fired: dict[tuple[Test, float], list[NDArray[np.bool_]]] = field(default_factory=dict)


def fall_back(
    evidence: Evidence, splits: Sequence[Split], active: float | None, doing: Doing
) -> dict[str, list[FallbackLine]]:
    """Lines for held-out questions of known categories, and for those of foreign ones.

    The general expert is the best one of all in the questions fitted on; it is not under the budget
    of `active` parameters. Foreign: each category in turn is kept from the fit and then asked.
    """
    tasks = np.array([query.task for query in evidence.training_set.queries])
    tested = np.unique(np.concatenate([unseen for _, unseen in splits]))
    foreign = [
        (np.flatnonzero(tasks != name), np.intersect1d(np.flatnonzero(tasks == name), tested))
        for name in np.unique(tasks)
        if (tasks != name).sum() >= FEWEST
    ]
    found = {KNOWN: _measured(evidence, KNOWN, splits, active, doing)}
    if foreign:
        found[FOREIGN] = _measured(evidence, FOREIGN, foreign, active, doing)
    return found


def _measured(
    evidence: Evidence, name: str, parts: Sequence[Split], active: float | None, doing: Doing
) -> list[FallbackLine]:
    collected = _Collected()
    for number, (seen, unseen) in enumerate(parts):
        doing(f"falling back, {name}", number, len(parts))
        _collect(collected, evidence, evidence.training_set.take(seen), unseen, active)
    plain, general = np.concatenate(collected.plain), np.concatenate(collected.general)
    sizes = np.concatenate(collected.sizes)
    own, its = (float(size) for size in sizes.mean(axis=0))
    lines = [
        FallbackLine("no fallback", 0.0, own, accuracy_of(plain), None, None),
        FallbackLine("always the general expert", 1.0, its, accuracy_of(general), None, None),
    ]
    for (test, rate), found in collected.fired.items():
        fired = np.concatenate(found)
        scores = np.where(fired, general, plain)
        at_random = plain + fired.mean() * (general - plain)
        lines.append(
            FallbackLine(
                f"{test}, false alarms {100 * rate:g} %",
                float(fired.mean()),
                float(np.where(fired, sizes[:, 1], sizes[:, 0]).mean()),
                accuracy_of(scores),
                accuracy_of(scores - plain, signed=True),
                accuracy_of(scores - at_random, signed=True),
            )
        )
    return lines


def _collect(
    collected: _Collected,
    evidence: Evidence,
    seen: TrainingSet,
    unseen: Indices,
    active: float | None,
) -> None:
    experts = evidence.training_set.experts
    config = evidence.settings.model_copy(
        update={
            "sizes": dict(zip(experts, evidence.total.tolist(), strict=True)),
            "active_sizes": dict(zip(experts, evidence.active.tolist(), strict=True)),
            "active_budget": active,
            "budget": None,
            "coverage": None,
        }
    )

    def fit(part: TrainingSet) -> Composition:
        return Composition.fit(part, config)

    asked, general = evidence.training_set.take(unseen), int(seen.means.argmax())
    said = fit(seen).predict_detailed(asked.vectors)
    chosen = said.scores.argmax(axis=1)
    collected.plain.append(asked.scores[np.arange(len(unseen)), chosen])
    collected.general.append(asked.scores[:, general])
    its = np.full(len(unseen), evidence.active[general])
    collected.sizes.append(np.stack([evidence.active[chosen], its], axis=1))
    held, far = held_out(seen, fit), CoverageDistance.of(seen).distance(asked.vectors)
    for test, rate in GUARDS:
        keys = CoverageConfig(action="second", tests=(test,), false_alarms=rate)
        fired = alarms(calibrate(seen, held, keys), far, said.scores, said.entropy)
        collected.fired.setdefault((test, rate), []).append(np.array([bool(one) for one in fired]))
