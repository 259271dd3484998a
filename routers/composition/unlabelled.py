"""Semi-supervised labels: questions without a category join that of the nearest labelled ones.

Composition of Experts (arXiv 2412.01868) labels prompts semi-supervised; how is our reconstruction:
the labelled questions vote, each weighted by its similarity, and where no category gets enough of
the votes, the question is in the category `general`.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experts.errors import ConfigError
from routers.composition.classifier import Nearest
from routers.fitted.training_set import Floats, TrainingSet

GENERAL = "general"


class Votes(NamedTuple):
    """What the nearest labelled questions say of those without a category."""

    missing: NDArray[np.bool_]
    """[N] the questions without one."""
    names: NDArray[Any]
    """[C] the categories of the others."""
    shares: Floats
    """[missing, C] of the votes; C is 0 where no question has a category."""


def votes_of(training_set: TrainingSet, unlabelled: Collection[str], neighbours: int) -> Votes:
    """Let at most `neighbours` labelled questions vote on each one whose task is `unlabelled`."""
    tasks = np.array([query.task for query in training_set.queries], dtype=object)
    missing = np.isin(tasks, list(unlabelled))
    names, labels = np.unique(tasks[~missing], return_inverse=True)
    if not (len(names) and missing.any()):
        return Votes(missing, names, np.empty((int(missing.sum()), len(names))))
    nearest = Nearest(training_set.vectors[~missing], labels, len(names), neighbours)
    return Votes(missing, names, nearest(training_set.vectors[missing]))


def joined(training_set: TrainingSet, votes: Votes, confidence: float) -> TrainingSet:
    """The same questions with a category each: that of a share `confidence` (0..1) of the votes."""
    missing, names, shares = votes
    if not missing.any():
        return training_set
    tasks = np.array([query.task for query in training_set.queries], dtype=object)
    tasks[missing] = GENERAL
    if len(names):
        sure = shares.max(axis=1) >= confidence
        tasks[missing] = np.where(sure, names[shares.argmax(axis=1)], GENERAL)
    queries = zip(training_set.queries, tasks, strict=True)
    return replace(training_set, queries=tuple(replace(q, task=str(task)) for q, task in queries))


def labelled(
    training_set: TrainingSet, unlabelled: Collection[str], neighbours: int, confidence: float
) -> TrainingSet:
    """The same questions with a category each, in place of the `unlabelled` tasks.

    A category needs the share `confidence` (0..1) of the votes of the nearest labelled questions;
    at most `neighbours` of them vote.
    """
    if not unlabelled:
        return training_set
    return joined(training_set, votes_of(training_set, unlabelled, neighbours), confidence)


def check(training_set: TrainingSet, unlabelled: Collection[str]) -> None:
    """Raise ConfigError for a task that the table lacks, and where no question has a category."""
    known = {query.task for query in training_set.queries}
    if absent := sorted(set(unlabelled) - known):
        raise ConfigError(
            f"unlabelled: the outcome table has no task {', '.join(absent)}.",
            hint=f"It has {', '.join(sorted(known))}.",
        )
    if known <= set(unlabelled):
        raise ConfigError(
            "unlabelled: no question of the outcome table is left with a category.",
            hint="Name only the tasks that are no categories; the others label them.",
        )
