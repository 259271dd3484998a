"""Explanations of a decision: how the experts did on the nearest training questions.

What is shown never contradicts the score that was decided by: where the plain count of right
answers is far from it, the sentence names the score, too, and why the two differ.
"""

from collections import Counter
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routers.fitted.neighbours import Neighbours
from routers.fitted.training_set import Floats, Indices, TrainingSet, blocks

SHOWN_NEIGHBOURS = 3
SHOWN_CHARACTERS = 200
CLEAR = 0.15
"""Largest difference between the plain record and the score that needs no word."""


class Record(NamedTuple):
    """How M experts did on the neighbours of one request, or of each of B requests."""

    answered: Indices
    """[M] or [B, M] how many of the neighbours each expert answered."""
    means: Floats
    """[M] or [B, M] their mean score on those; NaN where there are none."""
    weighted: Floats
    """[M] or [B, M] the same mean, each neighbour with its weight; NaN where none has any."""
    graded: NDArray[np.bool_]
    """[M] or [B, M] whether some score is neither 0 nor 1."""

    def of(self, request: int) -> "Record":
        """The record of one request, [M]."""
        return Record(*(part[request] for part in self))


class Basis(NamedTuple):
    """What the scores of M experts for one request rest on."""

    scores: Floats
    """[M] the scores that were decided by."""
    support: Floats
    """[M] how far the experts' own evidence supports a prediction (`support.py`)."""
    trust: float
    """How far predictions are followed, away from the overall means."""
    by_neighbours: bool
    """Whether they are made of the neighbours that are shown."""


def record(training_set: TrainingSet, near: Neighbours, weights: Floats | None = None) -> Record:
    """The record of the neighbours [B, k] of B requests, and of their weights [B, k], if any."""
    weights = np.ones(near.rows.shape) if weights is None else weights
    parts = zip(blocks(near.rows), blocks(weights), strict=True)
    found = [_record(training_set.scores[rows], part) for rows, part in parts]
    return Record(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _record(scores: Floats, weights: Floats) -> Record:
    known = ~np.isnan(scores)  # [B, k, M]
    answered, counted = known.sum(axis=1), np.where(known, scores, 0.0)
    graded = (known & (scores != 0.0) & (scores != 1.0)).any(axis=1)
    weighed = np.where(known, weights[:, :, None], 0.0)
    return Record(
        answered,
        _mean(counted.sum(axis=1), answered),
        _mean((weighed * counted).sum(axis=1), weighed.sum(axis=1)),
        graded,
    )


def _mean(total: Floats, weight: Floats | Indices) -> Floats:
    mean: Floats = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
    return mean


def reason(
    training_set: TrainingSet, near: Neighbours, found: Record, basis: Basis, expert: int
) -> str:
    """A sentence about the neighbours [k] of one request and one expert's answers to them."""
    nearest, name = _nearest(training_set, near.rows), training_set.experts[expert]
    answered, mean = int(found.answered[expert]), float(found.means[expert])
    if not answered:
        mean = float(training_set.means[expert])
        did = f"{name} has answered none of them, but scores {mean:.2f} overall"
    elif found.graded[expert]:
        did = f"{name} scored {mean:.2f} on {answered} of them"
    else:
        did = f"{name} answered {round(mean * answered)} of {answered} right"
    score = float(basis.scores[expert])
    if abs(score - mean) <= CLEAR:
        return f"{nearest}; {did}."
    causes = " and ".join(_causes(training_set, found, basis, expert))
    return f"{nearest}; {did}. Its expected score is {score:.2f}, because {causes}."


def _causes(training_set: TrainingSet, record: Record, basis: Basis, expert: int) -> list[str]:
    """Why an expected score is not the plain mean of what is shown."""
    found = []
    overall = f"its overall mean of {training_set.means[expert]:.2f} counts"
    apart = abs(record.weighted[expert] - record.means[expert]) > CLEAR / 2
    if basis.support[expert] < 1:
        found.append("other experts have answered questions that are more like this one")
    if basis.trust < 1:
        found.append(f"{overall} for {1 - basis.trust:.0%}")
    if not basis.by_neighbours:
        found.append("the router weighs all questions, not these alone")
    elif apart:  # Never, where it has answered none of them: then there is no mean.
        found.append("nearer questions count more")
    return found or [f"{overall}, too"]


def shown_neighbours(training_set: TrainingSet, near: Neighbours) -> list[dict[str, Any]]:
    """The first neighbours of one request, as plain JSON."""
    pairs = zip(near.rows[:SHOWN_NEIGHBOURS], near.similarities[:SHOWN_NEIGHBOURS], strict=True)
    return [_neighbour(training_set, int(row), float(similarity)) for row, similarity in pairs]


def summary(
    training_set: TrainingSet, near: Neighbours, found: Record, basis: Basis, order: Indices
) -> dict[str, Any]:
    """The tasks of the neighbours [k], and how the experts did on them, in the given order.

    `mean_score` counts every neighbour alike, `weighted_score` as the router does, where its scores
    are made of the neighbours; `expected_score` is what was decided by.
    """
    tasks = Counter(training_set.queries[row].task for row in near.rows)
    return {
        "tasks": dict(tasks.most_common()),
        "experts": {
            training_set.experts[expert]: _standing(found, basis, int(expert)) for expert in order
        },
    }


def _standing(found: Record, basis: Basis, expert: int) -> dict[str, Any]:
    answered = int(found.answered[expert])
    standing: dict[str, Any] = {
        "answered": answered,
        "mean_score": _rounded(found.means[expert]),
        "expected_score": _rounded(basis.scores[expert]),
    }
    if basis.by_neighbours:
        standing["weighted_score"] = _rounded(found.weighted[expert])
    if basis.support[expert] < 1:
        standing["support"] = _rounded(basis.support[expert])
    return standing


def _rounded(value: Any) -> float | None:
    return None if isnan(value) else round(float(value), 3)


def _nearest(training_set: TrainingSet, rows: Indices) -> str:
    tasks = Counter(training_set.queries[row].task for row in rows).most_common(3)
    task, count = tasks[0]
    if count == len(rows):
        kind = task
    elif count > len(rows) / 2:
        kind = f"mostly {task}"
    else:
        kind = "mixed: " + ", ".join(f"{count} {task}" for task, count in tasks)
    if len(rows) == 1:
        return f"The nearest probe question is {kind}"
    return f"The {len(rows)} nearest probe questions are {kind}"


def _neighbour(training_set: TrainingSet, row: int, similarity: float) -> dict[str, Any]:
    query = training_set.queries[row]
    scores = zip(training_set.experts, training_set.scores[row].tolist(), strict=True)
    return {
        "query": query.text[:SHOWN_CHARACTERS],
        "task": query.task,
        "similarity": round(similarity, 3),
        "scores": {expert: score for expert, score in scores if not isnan(score)},
    }
