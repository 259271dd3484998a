"""What semi-supervised labels are worth: categories are hidden, and neighbours give them back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evals.benchmarks.composition.evidence import Evidence, Split
from evals.benchmarks.composition.parts import Doing, Part, part
from evals.reporting.intervals import Accuracy, accuracy_of
from routers.composition.mapping import solve
from routers.composition.unlabelled import Votes, joined, votes_of
from routers.fitted.training_set import Floats, TrainingSet

HIDDEN = (0.5, 0.8, 0.95, 0.99)
"""Shares of the categories that are hidden."""
CONFIDENCE = (0.0, 0.6)
"""Shares of the neighbours' votes that a question needs to join their category."""
NO_CATEGORY = "(no category)"


@dataclass(frozen=True, slots=True)
class LabelsLine:
    """What one way of treating hidden categories scores on the held-out questions."""

    way: str
    joined: float | None
    """Share of the hidden questions that join a category; the others are `general`."""
    right: float | None
    """Share of those that join their own."""
    accuracy: Accuracy
    gain: Accuracy | None
    """Over leaving out the questions whose category is hidden, paired."""


def hide_and_find(
    evidence: Evidence, splits: Sequence[Split], active: float | None, doing: Doing
) -> list[LabelsLine]:
    """Lines for each share of hidden categories, under a budget of active parameters, if any.

    The scores of the questions stay known; which categories are hidden is drawn from fixed seeds.
    """
    training_sets = [evidence.training_set.take(seen) for seen, _ in splits]
    whole = _scores(evidence, training_sets, splits, active)
    lines = [LabelsLine("all categories known", None, None, accuracy_of(whole), None)]
    for number, share in enumerate(HIDDEN):
        doing(f"hiding {100 * share:.0f} % of the categories", number, len(HIDDEN))
        hidden = [_drawn(len(seen), share, fold) for fold, (seen, _) in enumerate(splits)]
        pairs = list(zip(training_sets, hidden, strict=True))
        few = [known.take(np.flatnonzero(~lost)) for known, lost in pairs]
        alone = _scores(evidence, few, splits, active)
        way = f"{100 * share:.0f} % hidden"
        lines.append(LabelsLine(f"{way}: left out", None, None, accuracy_of(alone), None))
        voted = [_voted(evidence, *pair) for pair in pairs]
        for confidence in CONFIDENCE:
            given = [joined(*one, confidence) for one in voted]
            both = zip(pairs, given, strict=True)
            counts = np.sum([_counted(*pair, new) for pair, new in both], axis=0)
            scores = _scores(evidence, given, splits, active)
            how = f"confidence {confidence:g}" if confidence else "each to the nearest"
            lines.append(
                LabelsLine(
                    f"{way}: {how}",
                    float(counts[1] / max(counts[0], 1)),
                    float(counts[2] / max(counts[1], 1)),
                    accuracy_of(scores),
                    accuracy_of(scores - alone, signed=True),
                )
            )
    return lines


def _drawn(count: int, share: float, seed: int) -> NDArray[np.bool_]:
    hidden = np.random.default_rng(seed).random(count) < share
    if hidden.all():
        hidden[0] = False  # Some question must say what a category is.
    return hidden


def _voted(
    evidence: Evidence, known: TrainingSet, hidden: NDArray[np.bool_]
) -> tuple[TrainingSet, Votes]:
    """The questions with the hidden categories away, and what the others say of them."""
    queries = tuple(
        replace(query, task=NO_CATEGORY) if lost else query
        for query, lost in zip(known.queries, hidden, strict=True)
    )
    without = replace(known, queries=queries)
    return without, votes_of(without, (NO_CATEGORY,), evidence.settings.neighbours)


def _counted(known: TrainingSet, hidden: NDArray[np.bool_], given: TrainingSet) -> Floats:
    """How many categories were hidden, given back, and given back right."""
    names = {query.task for query in known.queries}
    pairs = [
        (own.task, new.task)
        for own, new, lost in zip(known.queries, given.queries, hidden, strict=True)
        if lost
    ]
    joined = [pair for pair in pairs if pair[1] in names]
    return np.array([len(pairs), len(joined), sum(own == new for own, new in joined)], dtype=float)


def _scores(
    evidence: Evidence,
    training_sets: Sequence[TrainingSet],
    splits: Sequence[Split],
    active: float | None,
) -> Floats:
    """[T] of the compositions that are fitted to one training set for each split."""
    return np.concatenate(
        [
            _scored(evidence, part(evidence, seen, unseen), active)
            for seen, (_, unseen) in zip(training_sets, splits, strict=True)
        ]
    )


def _scored(evidence: Evidence, one: Part, active: float | None) -> Floats:
    found = solve(one.found, evidence.total, active=active, active_sizes=evidence.active)
    return one.scored(one.chosen(found))
