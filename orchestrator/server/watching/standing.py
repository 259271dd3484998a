"""What is known of one expert: what routers have learned of it, and how fast it is. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import quantiles
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.request.tracing.call import CANCELLED, Call
from orchestrator.server.bodies.console.watching import Latency, Record, TaskRecord
from routers.base import Router

if TYPE_CHECKING:
    from routers.fitted.training_set import TrainingSet


def learned(routers: Mapping[str, Router], expert: str) -> list[Record]:
    """What the fitted routers have learned from of an expert; equal evidence is told once."""
    if not routers:
        return []
    # A pool without fitted routers never loads what they need.
    from routers.fitted.router import FittedRouter  # noqa: PLC0415

    found: list[Record] = []
    for name, router in routers.items():
        if not isinstance(router, FittedRouter):
            continue
        record = _record(router.fitted.training_set, expert)
        if record is None:
            continue
        same = next((one for one in found if {**one, "routers": []} == record), None)
        if same is None:
            found.append(record)
        (same or record)["routers"].append(name)
    return found


def latency(calls: Iterable[Call]) -> Latency:
    """How long calls took that have ended."""
    calls = tuple(calls)
    good = [call for call in calls if call.error is None]
    first = [1000 * (call.first - call.began) for call in good if call.first]
    total = [1000 * (call.ended - call.began) for call in good if call.ended]
    failed = sum(call.error not in (None, CANCELLED) for call in calls)
    return {
        "calls": len(calls),
        "failed": failed,
        "first_ms": _shares(first),
        "total_ms": _shares(total),
    }


def _record(evidence: "TrainingSet", expert: str) -> Record | None:
    if expert not in evidence.experts:
        return None
    own = evidence.scores[:, evidence.experts.index(expert)]
    rows = np.flatnonzero(~np.isnan(own))
    tasks: dict[str, list[int]] = {}
    for row in rows:
        tasks.setdefault(evidence.queries[row].task, []).append(int(row))
    return {
        "routers": [],
        "asked": len(rows),
        "mean_score": _rounded(own[rows].mean()) if len(rows) else 0.0,
        "tasks": [_task(evidence, own, name, tasks[name]) for name in sorted(tasks)],
    }


def _task(
    evidence: "TrainingSet",
    own: np.ndarray[tuple[int], np.dtype[np.float64]],
    name: str,
    rows: Sequence[int],
) -> TaskRecord:
    """On the questions that the expert was asked; others count as far as they were asked these."""
    scores = evidence.scores[list(rows)]
    known = ~np.isnan(scores)
    asked = known.sum(axis=0)
    means = np.divide(
        np.nan_to_num(scores).sum(axis=0), asked, out=np.full(len(asked), -1.0), where=asked > 0
    )
    best = int(means.argmax())
    return {
        "task": name,
        "asked": len(rows),
        "mean_score": _rounded(own[list(rows)].mean()),
        "best": evidence.experts[best],
        "best_score": _rounded(means[best]),
    }


def _shares(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    if len(values) == 1:
        return {"p50": round(values[0], 1), "p95": round(values[0], 1)}
    parts = quantiles(values, n=20, method="inclusive")
    return {"p50": round(parts[9], 1), "p95": round(parts[18], 1)}


def _rounded(value: float) -> float:
    return round(float(value), 4)
