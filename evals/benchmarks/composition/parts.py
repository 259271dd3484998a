"""What a composition learns from one part of the questions, and what it makes of the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evals.benchmarks.composition.evidence import Evidence, Split
from routers.composition.classifier import fit
from routers.composition.mapping import Mapping, Utilities, utilities
from routers.composition.unlabelled import labelled
from routers.fitted.training_set import Floats, Indices, TrainingSet

Doing = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Part:
    """T questions that were held out, and what was fitted without them."""

    found: Utilities
    """How good the experts are in C categories."""
    means: Floats
    """[M] their overall means."""
    categories: Indices
    """[T] the most probable category of each held-out question."""
    scores: Floats
    """[T, M] what the experts score on them."""
    truth: Utilities
    """The utilities in the held-out questions themselves: what nobody knows before."""
    true_categories: Indices
    """[T] their own categories, by their number in `truth`."""

    def chosen(self, mapping: Mapping) -> Indices:
        """[T] the expert of each question's most probable category."""
        return mapping.experts[self.categories]

    def scored(self, experts: Indices) -> Floats:
        """[T] the scores of one expert for each question."""
        return np.asarray(self.scores[np.arange(len(self.scores)), experts])


def learn(evidence: Evidence, splits: Sequence[Split], doing: Doing) -> list[Part]:
    """Fit the map's utilities and the classifier without each part of the questions in turn."""
    found = []
    for number, (seen, unseen) in enumerate(splits):
        doing(f"fitting, part {number + 1} of {len(splits)}", number, len(splits))
        found.append(part(evidence, evidence.training_set.take(seen), unseen))
    return found


def part(evidence: Evidence, seen: TrainingSet, unseen: Indices) -> Part:
    """Fit on one training set; what that says of other rows of the evidence."""
    keys, held_out = evidence.settings, evidence.training_set.take(unseen)
    named = labelled(seen, keys.unlabelled, keys.neighbours, keys.label_confidence)
    known = utilities(named, keys.prior_weight)
    classify = fit(keys.classifier, named, known.categories, keys.neighbours, keys.strength)
    truth = utilities(held_out, 0.0)
    numbers = {category: number for number, category in enumerate(truth.categories)}
    return Part(
        known,
        seen.means,
        classify(held_out.vectors).argmax(axis=1),
        held_out.scores,
        truth,
        np.array([numbers[query.task] for query in held_out.queries]),
    )
