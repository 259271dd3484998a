"""Questions, scores and sizes from which maps are measured, and how they are held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from sklearn.model_selection import GroupKFold

from evals.runs.recorded import MODELS, Recorded
from experts.errors import ConfigError
from routers.composition.classifier import Kind
from routers.composition.composition_config import CompositionConfig
from routers.fitted.training_set import Floats, Indices, TrainingSet

FEWEST = 20
"""Questions to fit on."""

Split = tuple[Indices, Indices]


@dataclass(frozen=True, eq=False)
class Evidence:
    """N questions, M experts, and the keys of the composition that is measured."""

    training_set: TrainingSet
    groups: Indices
    """[N] equal questions have equal groups: they are fitted on or tested on together."""
    total: Floats
    """[M] parameters of each expert."""
    active: Floats
    """[M] its parameters that work on a token."""
    settings: CompositionConfig
    left_out: tuple[str, ...] = ()
    """A sentence about each model that is not in the pool, and why."""

    def splits(self, count: int) -> list[Split]:
        """Cross-validation: rows to fit on, and rows to test on, which every expert was asked.

        Raises ConfigError where that leaves too few.
        """
        return split(self.training_set.scores, self.groups, count)


def split(scores: Floats, groups: Indices, count: int) -> list[Split]:
    """`Evidence.splits` of scores [N, M], which need no vectors."""
    missing = np.asarray(np.isnan(scores).any(axis=1))
    if len(np.unique(groups)) < count:
        raise ConfigError(f"There are fewer than {count} different questions to hold out.")
    found = [
        (seen, unseen[~missing[unseen]])
        for seen, unseen in GroupKFold(count, shuffle=True, random_state=0).split(
            groups, groups=groups
        )
    ]
    if any(len(seen) < FEWEST or not len(unseen) for seen, unseen in found):
        raise ConfigError(
            f"Fewer than {FEWEST} questions are left to fit on, or none to test on that every"
            " expert was asked.",
            hint="`coterie profile` asks more; --folds 2 needs fewer.",
        )
    return found


def check_budget(at: float | None, experts: Sequence[str], active: Floats) -> None:
    """Raise ConfigError for a budget that is too small for each of M experts."""
    smallest = int(active.argmin())
    if at is not None and at < active[smallest]:
        raise ConfigError(
            f"--at {at:g} is below every expert: the smallest, {experts[smallest]}, has"
            f" {active[smallest]:g} active.",
            hint="Raise it; it counts in the unit of the sizes.",
        )


def sized(recorded: Recorded, pool: Sequence[str]) -> tuple[Recorded, tuple[str, ...]]:
    """The models of the pool, or all that have a size and were asked everything; who is left out.

    Raises ConfigError for a model of the pool without a size, and where fewer than two are left.
    """
    asked = (~np.isnan(recorded.scores)).sum(axis=0)
    left_out = []
    kept = []
    for column, model in enumerate(recorded.models):
        if model not in recorded.sizes:
            left_out.append(f"{model}: {MODELS} has no size")
        elif not pool and asked[column] < len(recorded.queries):
            left_out.append(f"{model}: asked {asked[column]} of {len(recorded.queries)} questions")
        else:
            kept.append(column)
    if pool and left_out:
        raise ConfigError(
            f"Without a size there is no budget: {'; '.join(left_out)}.",
            hint=f"{MODELS} beside the tables has the columns model, params_b and active_b.",
        )
    if len(kept) < 2:
        raise ConfigError("Fewer than two models are left to map.", hint="; ".join(left_out))
    columns = np.array(kept)
    smaller = replace(
        recorded,
        models=tuple(recorded.models[column] for column in kept),
        scores=recorded.scores[:, columns],
        answers=recorded.answers[:, columns],
        prices=recorded.prices[:, columns],
    )
    return smaller, tuple(left_out)


def of_recorded(
    recorded: Recorded,
    vectors: Floats,
    encoder: str,
    settings: CompositionConfig,
    left_out: tuple[str, ...],
) -> Evidence:
    """Evidence of recorded answers of models that all have a size."""
    rows = np.arange(len(recorded.queries))
    training_set = recorded.training_set(rows, vectors, encoder)
    experts = training_set.experts
    return Evidence(
        training_set,
        numbered(recorded),
        np.array([recorded.sizes[expert] for expert in experts]),
        active_of(recorded, experts),
        settings,
        left_out,
    )


def numbered(recorded: Recorded) -> Indices:
    """[N] the groups, as numbers."""
    return np.asarray(np.unique(recorded.groups, return_inverse=True)[1])


def active_of(recorded: Recorded, experts: Sequence[str]) -> Floats:
    """[M] parameters that work on a token, of models that all have a size."""
    return np.array([recorded.active_sizes.get(e, recorded.sizes[e]) for e in experts])


def of_table(training_set: TrainingSet, settings: CompositionConfig) -> Evidence:
    """Evidence of an outcome table, with the sizes that the router's keys give.

    Raises ConfigError where these are not of all its experts.
    """
    settings.check_sizes(training_set.experts)
    total, active = settings.sizes_of(training_set.experts)
    return Evidence(training_set, training_set.groups, total, active, settings)


def recorded_settings(classifier: str) -> CompositionConfig:
    """The keys of a composition over recorded answers: the defaults, with one classifier.

    Raises ConfigError for one that does not exist.
    """
    known = get_args(Kind)
    if classifier not in known:
        raise ConfigError(f"There is no classifier {classifier} (known: {', '.join(known)}).")
    keys = {"type": "composition", "outcomes": Path("recorded"), "classifier": classifier}
    return CompositionConfig.model_validate(keys)
