"""The coverage guard: out-of-distribution tests on a request, and what to do when one fires.

A router names an expert for every text, even for one that no expert knows ("transitive expert
error", arXiv 2601.04416). The tests have thresholds from held-out questions: the distance to the
questions that some expert can answer, the predicted quality of the best expert, and its lead.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from experts.keys import Keys
from routers.fitted.coverage_distance import held_out_distances
from routers.fitted.cross_validation import HeldOut
from routers.fitted.training_set import Floats, Indices, TrainingSet

Test = Literal["distance", "quality", "margin", "entropy"]
Action = Literal["general", "second", "abstain"]

SLACK = 1.001
"""Tolerance on a limit. The last bits of a distance depend on how many questions are embedded at
once, and in a small table the farthest question may itself be the limit."""


class CoverageConfig(Keys):
    """The keys under `routers.NAME.coverage`."""

    action: Action = Field(
        description="What to do after an alarm: ask the `general` expert, ask a second expert and"
        " compare, or abstain."
    )
    general: str | None = Field(
        None,
        description="The expert that answers what no specialist covers, and decides when two"
        " differ.",
    )
    message: str = Field(
        "None of the experts here was found to know about this question.",
        min_length=1,
        description="The answer that is given when the pool abstains.",
    )
    tests: tuple[Test, ...] = Field(
        ("distance",),
        min_length=1,
        description="The tests that may raise an alarm; `entropy` is for routers with categories.",
    )
    false_alarms: float = Field(
        0.03,
        gt=0,
        lt=1,
        description="Rate of false alarms: share of alarms among held-out questions that the chosen"
        " expert answers right.",
    )

    @model_validator(mode="after")
    def _has_a_general_expert(self) -> "CoverageConfig":
        if self.action == "general" and self.general is None:
            raise ValueError("action: general needs the key `general`")
        return self


class Thresholds(NamedTuple):
    """The limits of the tests; a test that is off never fires."""

    distance: float = np.inf
    """Distance to the nearest category (`CoverageDistance`): larger is too far."""
    quality: float = -np.inf
    """Predicted quality of the best expert: smaller is too bad."""
    margin: float = -np.inf
    """Lead of the best expert's predicted quality over the next one's: smaller is too close."""
    entropy: float = np.inf
    """Entropy of the category, in nats: larger is too uncertain."""


class Alarm(NamedTuple):
    """A test that fired."""

    test: Test
    value: float
    threshold: float

    def sentence(self) -> str:
        """A sentence for people."""
        if self.test == "distance":
            return (
                f"The request is unlike all training questions: distance {self.value:.1f}, where"
                f" at most {self.threshold:.1f} is usual."
            )
        if self.test == "quality":
            return (
                f"No expert did well on similar questions: the expected score is {self.value:.2f}."
            )
        if self.test == "entropy":
            return f"The category is uncertain ({self.value:.2f} nats)."
        return f"No expert is clearly best: the first leads by {self.value:.3f}."


def margin(scores: Floats) -> Floats:
    """[B] the lead of the best score of [B, M] over the second; infinite with one expert."""
    if scores.shape[1] < 2:
        return np.full(len(scores), np.inf)
    ordered = np.sort(scores, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def calibrate(training_set: TrainingSet, found: HeldOut, config: CoverageConfig) -> Thresholds:
    """Thresholds with the wanted false-alarm rate, shared by the tests that are on.

    A false alarm is an alarm on a question that the chosen expert answers right.
    """
    share = config.false_alarms / len(config.tests)
    rows = _right(training_set, found)
    limits = Thresholds()
    if "distance" in config.tests:
        distances = held_out_distances(training_set)[rows]
        limits = limits._replace(distance=float(np.quantile(distances, 1 - share)))
    rows = rows[np.isin(rows, found.known)]
    if not len(rows):
        return limits
    if "quality" in config.tests:
        expected = found.predicted[rows].max(axis=1)
        limits = limits._replace(quality=float(np.quantile(expected, share)))
    if "margin" in config.tests:
        limits = limits._replace(margin=float(np.quantile(margin(found.predicted[rows]), share)))
    entropy = found.entropy[rows]
    if "entropy" in config.tests and not np.isnan(entropy).any():
        limits = limits._replace(entropy=float(np.quantile(entropy, 1 - share)))
    return limits


def alarms(
    limits: Thresholds,
    distances: Floats,
    scores: Floats,
    entropies: Floats | None,
) -> list[list[Alarm]]:
    """The tests that fire for each of B requests.

    `distances` are [B], `scores` [B, M], and `entropies` [B], for a router that knows categories.
    """
    best, leads = scores.max(axis=1), margin(scores)
    tests: list[tuple[Test, Floats, float, NDArray[np.bool_]]] = [
        ("distance", distances, limits.distance, distances > SLACK * limits.distance),
        ("quality", best, limits.quality, best < limits.quality),
        ("margin", leads, limits.margin, leads < limits.margin),
    ]
    if entropies is not None:
        tests.append(("entropy", entropies, limits.entropy, entropies > SLACK * limits.entropy))
    fired: list[list[Alarm]] = [[] for _ in distances]
    for test, values, limit, found in tests:
        for row in np.flatnonzero(found):
            fired[row].append(Alarm(test, float(values[row]), limit))
    return fired


def fallback(order: Sequence[str], config: CoverageConfig) -> tuple[tuple[str, ...], Action]:
    """After an alarm: the experts in the order in which they would be asked, and the action."""
    first = (config.general,) if config.action == "general" and config.general else ()
    return (*first, *(expert for expert in order if expert not in first)), config.action


def _right(training_set: TrainingSet, found: HeldOut) -> Indices:
    """Questions that the chosen expert answers at least half right; all, where there are none."""
    rows = found.known
    right = rows[training_set.scores[rows, found.predicted[rows].argmax(axis=1)] >= 0.5]
    return right if len(right) else np.arange(len(training_set.queries))
