"""Semi-supervised labels: questions without a category join that of the nearest labelled ones.

Composition of Experts (arXiv 2412.01868) labels prompts semi-supervised; how is our reconstruction:
the labelled questions vote, each weighted by its similarity, and where no category gets enough of
the votes, the question is in the category `general`.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from experts.errors import ConfigError
from routers.composition.classifier import Nearest
from routers.fitted.training_set import TrainingSet

GENERAL = "general"


def labelled(
    training_set: TrainingSet, unlabelled: Collection[str], neighbours: int, confidence: float
) -> TrainingSet:
    """The same questions with a category each, in place of the `unlabelled` tasks.

    A category needs the share `confidence` (0..1) of the votes of the nearest labelled questions;
    at most `neighbours` of them vote.
    """
    tasks = np.array([query.task for query in training_set.queries], dtype=object)
    missing = np.isin(tasks, list(unlabelled))
    if not missing.any():
        return training_set
    tasks[missing] = GENERAL
    if not missing.all():
        names, labels = np.unique(tasks[~missing], return_inverse=True)
        known = training_set.vectors[~missing]
        votes = Nearest(known, labels, len(names), neighbours)(training_set.vectors[missing])
        sure = votes.max(axis=1) >= confidence
        tasks[missing] = np.where(sure, names[votes.argmax(axis=1)], GENERAL)
    queries = zip(training_set.queries, tasks, strict=True)
    return replace(training_set, queries=tuple(replace(q, task=str(task)) for q, task in queries))


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
