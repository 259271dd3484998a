"""What subjects are measured against: the best single expert, cross-fitted, and the oracle. Pure.

The best of several experts on some questions is partly the luckiest one: its score on these same
questions is too high, and a gain over it too low. So the questions are split into folds, and on
each fold the opponent is the expert that is best on the other folds. That mean is unbiased, but an
interval with the choices held fixed is too sure of it: among equal experts 7 of 100 intervals of a
gain of nothing lie above 0, over the best after the fact fewer than 3 (simulated, with six experts
and 50 to 400 questions). Hence intervals are over the latter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.report.statistics.intervals import Floats
from evals.report.statistics.scores import TaskScores

FOLDS, REPEATS = 10, 20


@dataclass(frozen=True, slots=True)
class BestSingle:
    """The cross-fitted best expert.

    `scores` has its score on each question, by task. `name` is who is best on all questions, with
    the mean that it has there, which is optimistic. `chosen` is the share of the questions on which
    each expert was the opponent.
    """

    name: str
    in_sample: float
    chosen: Mapping[str, float]
    scores: Mapping[str, Floats]


def best_single(
    tasks: Sequence[TaskScores],
    experts: Sequence[str],
    seed: int,
    folds: int = FOLDS,
    repeats: int = REPEATS,
) -> BestSingle | None:
    """Choose among experts that have answers in every task; None where there is none.

    An expert is as good as the mean of its tasks. Questions that any of the experts lacks take no
    part in choosing. Ties go to the first expert; with one question only there are no other folds,
    and all experts tie. As a split into folds is a matter of chance, several are averaged.
    """
    able = [e for e in experts if all(e in task.columns for task in tasks)]
    if not able or not tasks:
        return None
    tables = [np.column_stack([task.columns[e] for e in able]) for task in tasks]
    weights = [np.zeros(table.shape) for table in tables]
    for repeat in range(repeats):
        fold_of = [_folds(len(t), folds, (seed, repeat, k)) for k, t in enumerate(tables)]
        for fold, best in enumerate(_best_of_others(tables, fold_of, folds)):
            for own, weight in zip(fold_of, weights, strict=True):
                weight[own == fold, best] += 1 / repeats
    everywhere = _means([(t.sum(axis=0), len(t)) for t in map(_whole, tables)])
    top = int(np.argmax(everywhere))
    shares = np.sum([weight.sum(axis=0) for weight in weights], axis=0)
    shares /= shares.sum()
    opponents = {
        # A question counts only where every expert that was ever chosen for it has an answer.
        task.task: np.where(w > 0, w * t, 0.0).sum(axis=1)
        for task, w, t in zip(tasks, weights, tables, strict=True)
    }
    chosen = {e: float(s) for e, s in zip(able, shares, strict=True) if s > 0}
    return BestSingle(able[top], float(everywhere[top]), chosen, opponents)


def oracle(task: TaskScores, experts: Sequence[str]) -> Floats | None:
    """The best score that any expert has on each question; None with fewer than two experts.

    NaN where an expert has no answer, or a failed call: there it is not known.
    """
    able = [e for e in experts if e in task.columns]
    if len(able) < 2:
        return None
    table = np.column_stack([task.columns[e] for e in able])
    lost = np.column_stack([task.failed[e] for e in able]).any(axis=1)
    best: Floats = np.max(table, axis=1)  # NaN where one is.
    return np.where(lost, np.nan, best)


def _folds(count: int, folds: int, seed: tuple[int, ...]) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count) % folds


def _best_of_others(
    tables: Sequence[Floats], fold_of: Sequence[NDArray[np.int64]], folds: int
) -> list[int]:
    """For each fold, who is best on all other folds."""
    sums = []
    for table, own in zip(tables, fold_of, strict=True):
        there = ~np.isnan(table).any(axis=1)
        within = [table[there & (own == fold)] for fold in range(folds)]
        sums.append(([one.sum(axis=0) for one in within], [len(one) for one in within]))
    return [
        int(
            np.argmax(
                _means([(sum(s) - s[fold], sum(counts) - counts[fold]) for s, counts in sums])
            )
        )
        for fold in range(folds)
    ]


def _whole(table: Floats) -> Floats:
    """The questions that all experts have."""
    kept: Floats = table[~np.isnan(table).any(axis=1)]
    return kept


def _means(sums: Sequence[tuple[Floats, int]]) -> Floats:
    """The mean of each expert over the tasks that have questions; 0 where none has."""
    found = [total / count for total, count in sums if count]
    means: Floats = np.mean(found, axis=0) if found else np.zeros_like(sums[0][0])
    return means
