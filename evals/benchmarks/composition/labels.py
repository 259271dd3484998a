"""What semi-supervised labels are worth: most categories are hidden, and given back by neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evals.benchmarks.composition.evidence import Evidence, Split
from evals.benchmarks.composition.parts import Doing, Part, part
from evals.reporting.intervals import Accuracy, accuracy_of
from routers.composition.mapping import solve
from routers.composition.unlabelled import labelled
from routers.fitted.training_set import Floats, TrainingSet

HIDDEN = (0.5, 0.8, 0.95, 0.99)
"""Shares of the categories that are hidden."""
NO_CATEGORY = "(no category)"


@dataclass(frozen=True, slots=True)
class LabelsLine:
    """What one share of hidden categories does, on the held-out questions."""

    hidden: float
    found: float
    """Share of the hidden questions that join a category; the others are `general`."""
    right: float
    """Share of those that join their own."""
    labelled_only: Accuracy
    """The composition without the questions whose category is hidden."""
    semi_supervised: Accuracy
    all_labels: Accuracy
    gain: Accuracy
    """Of semi-supervised labels over labelled questions only, paired."""


def hide_and_find(
    evidence: Evidence, splits: Sequence[Split], active: float | None, doing: Doing
) -> list[LabelsLine]:
    """A line for each share of hidden categories, under a budget of active parameters, if any.

    The scores of the questions stay known; which categories are hidden is drawn from a fixed seed.
    """
    whole = [part(evidence, evidence.training_set.take(seen), unseen) for seen, unseen in splits]
    everything = _scores(evidence, whole, active)
    lines = []
    for number, share in enumerate(HIDDEN):
        doing(f"hiding {100 * share:.0f} % of the categories", number, len(HIDDEN))
        few, found, counts = [], [], np.zeros(3)
        for fold, (seen, unseen) in enumerate(splits):
            known = evidence.training_set.take(seen)
            hidden = np.random.default_rng(fold).random(len(seen)) < share
            hidden[: int(hidden.all())] = False
            few.append(part(evidence, known.take(np.flatnonzero(~hidden)), unseen))
            given = _given_back(evidence, known, hidden)
            counts += _counted(known, given, hidden)
            found.append(part(evidence, given, unseen))
        alone, helped = _scores(evidence, few, active), _scores(evidence, found, active)
        lines.append(
            LabelsLine(
                share,
                counts[1] / max(counts[0], 1),
                counts[2] / max(counts[1], 1),
                accuracy_of(alone),
                accuracy_of(helped),
                accuracy_of(everything),
                accuracy_of(helped - alone, signed=True),
            )
        )
    return lines


def _given_back(evidence: Evidence, known: TrainingSet, hidden: Floats) -> TrainingSet:
    queries = tuple(
        replace(query, task=NO_CATEGORY) if lost else query
        for query, lost in zip(known.queries, hidden, strict=True)
    )
    keys = evidence.settings
    without = replace(known, queries=queries)
    return labelled(without, (NO_CATEGORY,), keys.neighbours, keys.label_confidence)


def _counted(known: TrainingSet, given: TrainingSet, hidden: Floats) -> Floats:
    """How many categories were hidden, given back, and given back right."""
    names = {query.task for query in known.queries}
    pairs = [
        (own.task, new.task)
        for own, new, lost in zip(known.queries, given.queries, hidden, strict=True)
        if lost
    ]
    joined = [pair for pair in pairs if pair[1] in names]
    return np.array([len(pairs), len(joined), sum(own == new for own, new in joined)], dtype=float)


def _scores(evidence: Evidence, parts: Sequence[Part], active: float | None) -> Floats:
    return np.concatenate(
        [
            one.scored(
                one.chosen(
                    solve(one.found, evidence.total, active=active, active_sizes=evidence.active)
                )
            )
            for one in parts
        ]
    )
