"""Why a fitted router asks an expert nothing. Pure."""

from collections import defaultdict

import numpy as np

from routers.fitted.fitting import Fitted
from routers.fitted.training_set import TrainingSet


def why_unasked(name: str, fitted: Fitted) -> str:
    """A sentence; empty where the expert is chosen for one of the training questions at least."""
    training_set = fitted.training_set
    if name not in training_set.experts:
        return f"{name} is asked nothing, because it has answered none of the questions."
    column = training_set.experts.index(name)
    if column in fitted.scores(training_set.vectors).argmax(axis=1):
        return ""
    own = training_set.scores[:, column]
    asked = np.flatnonzero(~np.isnan(own))
    if not own[asked].any():
        return f"{name} is asked nothing, because it scored 0 on all {len(asked)} questions."
    if not fitted.trust:
        best = int(fitted.predictor.means.argmax())
        return (
            f"{name} is asked nothing: routing brings no certain gain on held-out questions, so"
            f" {training_set.experts[best]} answers everything (mean score"
            f" {fitted.predictor.means[best]:.2f}, {name} {fitted.predictor.means[column]:.2f})."
        )
    return f"{name} is asked nothing, because others do better: {_closest(training_set, column)}."


def _closest(training_set: TrainingSet, column: int) -> str:
    """The task on which an expert comes closest to the best of the others."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(~np.isnan(training_set.scores[:, column])):
        rows_of[training_set.queries[row].task].append(int(row))
    found = []
    for task, rows in rows_of.items():
        known = ~np.isnan(training_set.scores[rows])
        total = np.nan_to_num(training_set.scores[rows]).sum(axis=0)
        means = np.divide(total, known.sum(axis=0), out=np.zeros(len(total)), where=known.any(0))
        own, means[column] = float(means[column]), -1.0
        best = int(means.argmax())
        found.append((own - means[best], own, task, float(means[best]), best))
    _, own, task, other, best = max(found)
    return (
        f"where it comes closest, on {task}, it scores {own:.2f} and"
        f" {training_set.experts[best]} {max(other, 0.0):.2f}"
    )
