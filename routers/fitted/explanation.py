"""Explanations of a decision: how the experts did on the nearest training questions."""

from collections import Counter
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routers.fitted.neighbours import Neighbours
from routers.fitted.training_set import Floats, Indices, TrainingSet, blocks

SHOWN_NEIGHBOURS = 3
SHOWN_CHARACTERS = 200


class Record(NamedTuple):
    """How M experts did on the neighbours of one request, or of each of B requests."""

    answered: Indices
    """[M] or [B, M] how many of the neighbours each expert answered."""
    means: Floats
    """[M] or [B, M] their mean score on those; NaN where there are none."""
    graded: NDArray[np.bool_]
    """[M] or [B, M] whether some score is neither 0 nor 1."""

    def of(self, request: int) -> "Record":
        """The record of one request, [M]."""
        return Record(self.answered[request], self.means[request], self.graded[request])


def record(training_set: TrainingSet, near: Neighbours) -> Record:
    """The record of the neighbours [B, k] of B requests."""
    found = [_record(training_set.scores[rows]) for rows in blocks(near.rows)]
    return Record(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _record(scores: Floats) -> Record:
    known = ~np.isnan(scores)  # [B, k, M]
    answered = known.sum(axis=1)
    total = np.where(known, scores, 0.0).sum(axis=1)
    means = np.divide(total, answered, out=np.full(total.shape, np.nan), where=answered > 0)
    graded = (known & (scores != 0.0) & (scores != 1.0)).any(axis=1)
    return Record(answered, means, graded)


def reason(training_set: TrainingSet, near: Neighbours, found: Record, expert: int) -> str:
    """A sentence about the neighbours [k] of one request and one expert's answers to them."""
    nearest, name = _nearest(training_set, near.rows), training_set.experts[expert]
    answered, mean = int(found.answered[expert]), float(found.means[expert])
    if not answered:
        overall = training_set.means[expert]
        return f"{nearest}; {name} has answered none of them, but scores {overall:.2f} overall."
    if found.graded[expert]:
        return f"{nearest}; {name} scored {mean:.2f} on {answered} of them."
    return f"{nearest}; {name} answered {round(mean * answered)} of {answered} right."


def shown_neighbours(training_set: TrainingSet, near: Neighbours) -> list[dict[str, Any]]:
    """The first neighbours of one request, as plain JSON."""
    pairs = zip(near.rows[:SHOWN_NEIGHBOURS], near.similarities[:SHOWN_NEIGHBOURS], strict=True)
    return [_neighbour(training_set, int(row), float(similarity)) for row, similarity in pairs]


def summary(
    training_set: TrainingSet, near: Neighbours, found: Record, order: Indices
) -> dict[str, Any]:
    """The tasks of the neighbours [k], and how the experts did on them, in the given order."""
    tasks = Counter(training_set.queries[row].task for row in near.rows)
    answered, means = found.answered.tolist(), found.means.tolist()
    return {
        "tasks": dict(tasks.most_common()),
        "experts": {
            training_set.experts[expert]: {
                "answered": answered[expert],
                "mean_score": round(means[expert], 3) if answered[expert] else None,
            }
            for expert in order
        },
    }


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
