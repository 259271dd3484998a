"""What the fallback to a general expert is worth, on known categories and on foreign ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from evals.benchmarks.composition.evidence import FEWEST, Evidence, Split
from evals.benchmarks.composition.parts import Doing
from evals.reporting.intervals import Accuracy, accuracy_of
from routers.composition.composition_config import CompositionConfig
from routers.composition.router import Composition
from routers.fitted.coverage import CoverageConfig, Test, Thresholds, alarms, calibrate
from routers.fitted.coverage_distance import CoverageDistance
from routers.fitted.cross_validation import held_out
from routers.fitted.predictor import Prediction
from routers.fitted.training_set import Floats, Indices, TrainingSet

ALARMS = (0.03, 0.1, 0.3)
"""Rates of false alarms: of 3 % by default, and what more caution would bring."""
TESTS: tuple[Test, ...] = ("entropy", "margin", "distance")


@dataclass(frozen=True, slots=True)
class FallbackLine:
    """One way of falling back beside the composition without it."""

    test: Test
    false_alarms: float
    fired: float
    """Share of the questions that the general expert answers for that reason."""
    accuracy: Accuracy
    gain: Accuracy
    """Over the composition without fallback, paired."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """All ways on the same questions."""

    questions: str
    without: Accuracy
    general: Accuracy
    """Always the general expert."""
    lines: tuple[FallbackLine, ...]


@dataclass(eq=False)
class _Collected:
    plain: list[Floats] = field(default_factory=list)
    general: list[Floats] = field(default_factory=list)
    fired: dict[tuple[Test, float], list[Floats]] = field(default_factory=dict)


def fall_back(
    evidence: Evidence, splits: Sequence[Split], active: float | None, doing: Doing
) -> list[Fallback]:
    """On held-out questions of known categories, and on those of categories that were left out.

    The general expert is the best one of the questions fitted on that the budget of `active`
    parameters, if any, leaves; the map has that budget too. What is foreign: each category in turn
    is kept from the fit, and its questions are asked.
    """
    tasks = np.array([query.task for query in evidence.training_set.queries])
    without = [
        (np.flatnonzero(tasks != name), np.flatnonzero(tasks == name)) for name in np.unique(tasks)
    ]
    known = np.unique(np.concatenate([unseen for _, unseen in splits]))
    foreign = [
        (seen, np.intersect1d(unseen, known)) for seen, unseen in without if len(seen) >= FEWEST
    ]
    kinds = [("held-out questions of known categories", list(splits))]
    if foreign:
        kinds.append(("questions of a category that was not fitted on", foreign))
    return [_measured(evidence, name, parts, active, doing) for name, parts in kinds]


def _measured(
    evidence: Evidence, name: str, parts: Sequence[Split], active: float | None, doing: Doing
) -> Fallback:
    collected = _Collected()
    for number, (seen, unseen) in enumerate(parts):
        doing(f"falling back, {name}", number, len(parts))
        _collect(collected, evidence, evidence.training_set.take(seen), unseen, active)
    plain, general = np.concatenate(collected.plain), np.concatenate(collected.general)
    lines = []
    for (test, rate), found in collected.fired.items():
        fired = np.concatenate(found)
        scores = np.where(fired, general, plain)
        lines.append(
            FallbackLine(
                test,
                rate,
                float(fired.mean()),
                accuracy_of(scores),
                accuracy_of(scores - plain, signed=True),
            )
        )
    return Fallback(name, accuracy_of(plain), accuracy_of(general), tuple(lines))


def _collect(
    collected: _Collected,
    evidence: Evidence,
    seen: TrainingSet,
    unseen: Indices,
    active: float | None,
) -> None:
    general = _general(evidence, seen, active)
    asked = evidence.training_set.take(unseen)
    fit, keys = _fitting(evidence, active)
    held = held_out(seen, fit)
    said = fit(seen).predict_detailed(asked.vectors)
    far = CoverageDistance.of(seen).distance(asked.vectors)
    own = asked.scores[np.arange(len(unseen)), said.scores.argmax(axis=1)]
    collected.plain.append(own)
    collected.general.append(asked.scores[:, general])
    for test in TESTS:
        for rate in ALARMS:
            limits = calibrate(seen, held, keys(test, rate))
            fired = _fired(limits, far, said)
            collected.fired.setdefault((test, rate), []).append(fired)


def _general(evidence: Evidence, seen: TrainingSet, active: float | None) -> int:
    fitting = np.ones(len(seen.experts), bool) if active is None else evidence.active <= active
    return int(np.where(fitting, seen.means, -1.0).argmax())


def _fitting(
    evidence: Evidence, active: float | None
) -> tuple[Callable[[TrainingSet], Composition], Callable[[Test, float], CoverageConfig]]:
    """How a composition is fitted under the budget, and the keys of its guard."""
    experts = evidence.training_set.experts
    sizes = dict(zip(experts, evidence.total.tolist(), strict=True))
    works = dict(zip(experts, evidence.active.tolist(), strict=True))
    config: CompositionConfig = evidence.settings.model_copy(
        update={"sizes": sizes, "active_sizes": works, "active_budget": active, "budget": None}
    )

    def fit(part: TrainingSet) -> Composition:
        return Composition.fit(part, config)

    def keys(test: Test, rate: float) -> CoverageConfig:
        return CoverageConfig(action="second", tests=(test,), false_alarms=rate)

    return fit, keys


def _fired(limits: Thresholds, far: Floats, said: Prediction) -> Floats:
    found = alarms(limits, far, said.scores, said.entropy)
    return np.array([bool(one) for one in found])
