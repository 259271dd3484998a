"""Why a router decided as it did: what the nearest training questions show."""

from collections import Counter
from typing import Any

import numpy as np

from routers.evidence import Evidence, Floats, Indices
from routers.neighbours import Near

SHOWN_NEIGHBOURS = 3
SHOWN_CHARACTERS = 200


def reason(evidence: Evidence, near: Near, expert: int, count: int) -> str:
    """A sentence about the first `count` neighbours of one request and one expert's answers."""
    rows = near.rows[0, :count]
    own = evidence.scores[rows, expert]
    own = own[~np.isnan(own)]
    nearest, name = _nearest(evidence, rows), evidence.experts[expert]
    if not own.size:
        mean = evidence.means[expert]
        return f"{nearest}; {name} has answered none of them, but scores {mean:.2f} overall."
    if np.isin(own, (0.0, 1.0)).all():
        return f"{nearest}; {name} answered {int(own.sum())} of {own.size} right."
    return f"{nearest}; {name} scored {own.mean():.2f} on {own.size} of them."


def shown_neighbours(evidence: Evidence, near: Near, count: int) -> list[dict[str, Any]]:
    """The first `count` neighbours of one request, as plain JSON."""
    pairs = zip(near.rows[0, :count], near.similarities[0, :count], strict=True)
    return [_neighbour(evidence, int(row), float(similarity)) for row, similarity in pairs]


def summary(evidence: Evidence, near: Near, order: Indices, count: int) -> dict[str, Any]:
    """What the first `count` neighbours are about, and how the experts did on them."""
    rows = near.rows[0, :count]
    tasks = Counter(evidence.queries[row].task for row in rows)
    return {
        "tasks": dict(tasks.most_common()),
        "experts": {
            evidence.experts[column]: _answered(evidence.scores[rows, column]) for column in order
        },
    }


def _nearest(evidence: Evidence, rows: Indices) -> str:
    tasks = Counter(evidence.queries[row].task for row in rows).most_common(3)
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


def _neighbour(evidence: Evidence, row: int, similarity: float) -> dict[str, Any]:
    query = evidence.queries[row]
    scores = zip(evidence.experts, evidence.scores[row].tolist(), strict=True)
    return {
        "query": query.text[:SHOWN_CHARACTERS],
        "task": query.task,
        "similarity": round(similarity, 3),
        "scores": {expert: score for expert, score in scores if not np.isnan(score)},
    }


def _answered(scores: Floats) -> dict[str, Any]:
    """How many of the neighbours an expert answered, and its mean score on those."""
    answered = scores[~np.isnan(scores)]
    mean = round(float(answered.mean()), 3) if answered.size else None
    return {"answered": int(answered.size), "mean_score": mean}
