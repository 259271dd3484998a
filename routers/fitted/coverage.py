"""The coverage guard: is a request like anything the router was fitted on, and is its choice clear?

Routers name an expert for every text, also for one that none of them knows ("transitive expert
error", arXiv 2601.04416). Tests with thresholds from held-out questions: how far the questions
are that somebody can answer, how good the best expert is expected to be, how little it leads.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from routers.fitted.coverage_distance import held_out_distances
from routers.fitted.cross_validation import HeldOut
from routers.fitted.training_set import Evidence, Floats, Indices

Test = Literal["distance", "quality", "margin", "entropy"]
Action = Literal["general", "second", "abstain"]

SLACK = 1.001
"""What is as far as the limit raises no alarm, although its last bits depend on how many questions
are embedded at once: in a small table, the farthest question itself may be the limit."""


class CoverageConfig(BaseModel):
    """The keys under `routers.NAME.coverage`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action = Field(
        description="What to do when an alarm is raised: ask the `general` expert, ask a second"
        " expert and compare, or abstain."
    )
    general: str | None = Field(
        None,
        description="The expert that answers what no specialist covers, and that decides when"
        " two answers differ.",
    )
    message: str = Field(
        "None of the experts here was found to know about this question.",
        min_length=1,
        description="The answer when the router abstains.",
    )
    tests: tuple[Test, ...] = Field(
        ("distance",),
        min_length=1,
        description="What raises an alarm; `entropy` is for routers that know categories.",
    )
    false_alarms: float = Field(
        0.03,
        gt=0,
        lt=1,
        description="Share of alarms that is accepted among held-out questions that are"
        " answered right.",
    )

    @model_validator(mode="after")
    def _somebody_is_asked(self) -> "CoverageConfig":
        if self.action == "general" and self.general is None:
            raise ValueError("action: general needs the key `general`")
        return self


class Thresholds(NamedTuple):
    """When an alarm is raised; of a test that is off, never."""

    distance: float = np.inf
    """To the nearest category (`Territory`): larger is too far."""
    quality: float = -np.inf
    """Predicted quality of the best: smaller is too bad."""
    margin: float = -np.inf
    """Predicted quality of the best less that of the next: smaller is too close."""
    entropy: float = np.inf
    """Of the category, in nats: larger is too unsure."""


class Alarm(NamedTuple):
    """A test that fired."""

    test: Test
    value: float
    threshold: float

    def sentence(self) -> str:
        """What people are told."""
        if self.test == "distance":
            return (
                f"It is unlike all training questions: distance {self.value:.1f}, while"
                f" {self.threshold:.1f} is usual at most."
            )
        if self.test == "quality":
            return f"No expert did well on questions like it: {self.value:.2f} is expected."
        if self.test == "entropy":
            return f"Its category is uncertain ({self.value:.2f} nats)."
        return f"No expert is clearly best: the first leads by {self.value:.3f}."


def margin(scores: Floats) -> Floats:
    """[B] how much the best of [B, M] leads; with one expert, infinitely."""
    if scores.shape[1] < 2:
        return np.full(len(scores), np.inf)
    ordered = np.sort(scores, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def calibrate(evidence: Evidence, found: HeldOut, config: CoverageConfig) -> Thresholds:
    """Thresholds with the wanted false-alarm rate, shared by the tests that are on.

    A false alarm is one about a question that the chosen expert answers right.
    """
    share = config.false_alarms / len(config.tests)
    rows = _right(evidence, found)
    limits = Thresholds()
    if "distance" in config.tests:
        distances = held_out_distances(evidence)[rows]
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
    """The tests that fire for each of B requests: [B], [B, M], and [B] where it is known."""
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
    """Experts in the order in which they would be asked after an alarm, and what is done."""
    first = (config.general,) if config.action == "general" and config.general else ()
    return (*first, *(expert for expert in order if expert not in first)), config.action


def _right(evidence: Evidence, found: HeldOut) -> Indices:
    """Questions that the chosen expert answers at least half right; all, where nobody knows."""
    rows = found.known
    right = rows[evidence.scores[rows, found.predicted[rows].argmax(axis=1)] >= 0.5]
    return right if len(right) else np.arange(len(evidence.queries))
