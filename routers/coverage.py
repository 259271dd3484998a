"""The coverage guard: is a request like anything the router was fitted on, and is its choice clear?

Routers name an expert for every text, also for one that none of them knows ("transitive expert
error", arXiv 2601.04416). Two tests, each with a threshold from held-out questions: how far the
nearest training questions are, and how little the best expert leads.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from routers.evidence import Evidence, Floats, Indices
from routers.neighbours import Near, find

Test = Literal["distance", "margin"]
Action = Literal["general", "second", "abstain"]


class CoverageConfig(BaseModel):
    """The keys under `routers.NAME.coverage`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action = Field(
        description="When an alarm is raised: ask the `general` expert, ask a second one and"
        " compare, or abstain."
    )
    general: str | None = Field(
        None, description="Who answers what no specialist covers, and who decides when two differ."
    )
    tests: tuple[Test, ...] = Field(
        ("distance",), min_length=1, description="What raises an alarm."
    )
    false_alarms: float = Field(
        0.03,
        gt=0,
        lt=1,
        description="Wanted share of alarms among held-out questions that are answered right.",
    )
    neighbours: int = Field(
        4, ge=1, le=1024, description="Training questions whose mean distance counts."
    )

    @model_validator(mode="after")
    def _somebody_is_asked(self) -> "CoverageConfig":
        if self.action == "general" and self.general is None:
            raise ValueError("action: general needs the key `general`")
        return self


class Thresholds(NamedTuple):
    """When an alarm is raised; of a test that is off, never."""

    distance: float
    """1 - cosine, mean over the neighbours: larger is too far."""
    margin: float
    """Predicted quality of the best less that of the next: smaller is too close."""


class Alarm(NamedTuple):
    """A test that fired."""

    test: Test
    value: float
    threshold: float

    def sentence(self) -> str:
        """What people are told."""
        if self.test == "distance":
            return (
                f"No training question is close: distance {self.value:.2f}, while"
                f" {self.threshold:.2f} is usual at most."
            )
        return f"No expert is clearly best: the first leads by {self.value:.3f}."


def distance(near: Near, count: int) -> Floats:
    """[B] mean of 1 - cosine over the first `count` neighbours."""
    return np.asarray(1.0 - near.similarities[:, :count].mean(axis=1))


def margin(scores: Floats) -> Floats:
    """[B] how much the best of [B, M] leads; with one expert, infinitely."""
    if scores.shape[1] < 2:
        return np.full(len(scores), np.inf)
    ordered = np.sort(scores, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def calibrate(evidence: Evidence, held_out: Floats, config: CoverageConfig) -> Thresholds:
    """Thresholds with the wanted false-alarm rate, shared by the tests that are on.

    `held_out` [N, M] are predictions for questions that were not fitted on, or NaN. A false alarm
    is one about a question that the chosen expert answers right.
    """
    share = config.false_alarms / len(config.tests)
    far, close = np.inf, -np.inf
    known = np.flatnonzero(_right(evidence, held_out))
    if len(known):
        if "distance" in config.tests:
            distances = _leave_out(evidence, known, config.neighbours)
            far = float(np.quantile(distances, 1 - share))
        if "margin" in config.tests:
            close = float(np.quantile(margin(held_out[known]), share))
    return Thresholds(far, close)


def alarms(config: CoverageConfig, limits: Thresholds, near: Near, scores: Floats) -> list[Alarm]:
    """The tests that fire for one request: `near` and `scores` are of it alone, [1, ...]."""
    fired = []
    far = float(distance(near, config.neighbours)[0])
    if far > limits.distance:
        fired.append(Alarm("distance", far, limits.distance))
    close = float(margin(scores)[0])
    if close < limits.margin:
        fired.append(Alarm("margin", close, limits.margin))
    return fired


def fallback(
    order: Sequence[str], config: CoverageConfig
) -> tuple[tuple[str, ...], Action]:
    """Experts in the order in which they would be asked after an alarm, and what is done."""
    first = (config.general,) if config.action == "general" and config.general else ()
    return (*first, *(expert for expert in order if expert not in first)), config.action


def _right(evidence: Evidence, held_out: Floats) -> Floats:
    """[N] bool: the chosen expert answers it at least half right; true where nothing is known."""
    usable = ~np.isnan(held_out).any(axis=1)
    if not usable.any():
        return np.ones(len(held_out), dtype=bool)
    chosen = np.where(usable, np.nan_to_num(held_out).argmax(axis=1), 0)
    right = evidence.scores[np.arange(len(chosen)), chosen] >= 0.5
    return np.asarray(usable & right)


def _leave_out(evidence: Evidence, rows: Indices, count: int) -> Floats:
    """Distances of some questions to the others, those with the same text left out."""
    groups = evidence.groups
    distances = np.empty(len(rows))
    # How many questions may have to be passed over before `count` others are found.
    same = int(np.bincount(groups).max())
    near = find(evidence.vectors, evidence.vectors[rows], count + same)
    for number, row in enumerate(rows):
        others = groups[near.rows[number]] != groups[row]
        kept = near.similarities[number][others][:count]
        distances[number] = 1.0 - kept.mean() if len(kept) else 0.0
    return distances
