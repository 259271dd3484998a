"""Panels of k recorded models: who is on them, and what their plurality vote scores.

Symbolic-MoE (arXiv 2503.05641, section 3.2) draws three experts by the skills of a question; here
its recruiting, in all modes, stands beside the three best of all, a router's three best, and the
pool of three that votes best on the questions that were fitted on. A question's skill is its given
category, or that of the nearest questions where the name says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from evals.benchmarks.routing.experiment import Indices
from evals.benchmarks.routing.votes import ROUTER, Predicted
from evals.runs.recorded import Recorded
from routers.fitted.training_set import Floats
from routers.symbolic_moe.expectations import Symbolic
from routers.symbolic_moe.symbolic_config import SymbolicConfig

MOST = 7
"""Members of the largest panel."""
FEWEST = 2
PAPER, CODE = "drawn as in the paper", "drawn as in its code"
AGAIN = "drawn as in the paper, with replacement"
CATEGORY, NEAREST = "best of the category", "best of the nearest questions' categories"
APART = "best of the category, errors apart"
BESIDE = "best of the category and near questions"
FIXED, ROUTED, GREEDY = "the best of all", f"best by router ({ROUTER})", "the pool that votes best"
AT_RANDOM, ALL = "at random", "all"
AGREEMENT_WEIGHT = 0.1

Chosen = Sequence[Sequence[int]]
"""For each question, the columns of its panel, in the order in which they are asked."""


@dataclass(eq=False)
class Curve:
    """One way of choosing panels: of each size, what they scored and how many members differed."""

    scores: dict[int, list[float]] = field(default_factory=dict)
    distinct: dict[int, list[int]] = field(default_factory=dict)

    def add(self, size: int, scores: Sequence[float], panels: Chosen) -> None:
        """More questions."""
        self.scores.setdefault(size, []).extend(scores)
        self.distinct.setdefault(size, []).extend(len(set(panel)) for panel in panels)


def run(
    recorded: Recorded,
    parts: Sequence[Predicted],
    vectors: Floats,
    doing: Callable[[str, int, int], None],
) -> dict[str, Curve]:
    """Every way of choosing panels on the test rows of the splits, fitted on the others."""
    found: dict[str, Curve] = {}
    sizes = range(FEWEST, min(MOST, len(recorded.models)) + 1)
    for number, part in enumerate(parts):
        doing(f"choosing panels, part {number + 1} of {len(parts)}", number, len(parts))
        unseen, columns = part.unseen, part.columns
        codes = numbered(recorded.answers[np.ix_(unseen, columns)])
        scores = recorded.scores[np.ix_(unseen, columns)]
        row_of = {query.id: row for row, query in enumerate(recorded.queries)}
        seen = np.array([row_of[query.id] for query in part.evidence.queries])
        chooser = _Chooser(part, numbered(recorded.answers[np.ix_(seen, columns)]))
        questions = _Questions(
            [recorded.queries[row].task for row in unseen],
            [recorded.queries[row].id for row in unseen],
            vectors[unseen],
        )
        for size in sizes:
            for name, panels in chooser.panels(questions, size).items():
                marks = [
                    float(mark)
                    for row, panel in enumerate(panels)
                    for mark in plurality(codes[[row]][:, panel], scores[[row]][:, panel])
                ]
                found.setdefault(name, Curve()).add(size, marks, panels)
        everybody = [list(range(len(columns)))] * len(unseen)
        marks = plurality(codes, scores).tolist()
        found.setdefault(ALL, Curve()).add(len(columns), marks, everybody)
    return found


@dataclass(frozen=True, eq=False)
class _Questions:
    """What is known of the questions to be answered."""

    categories: Sequence[str]
    ids: Sequence[str]
    vectors: Floats


class _Chooser:
    """Chooses panels by the evidence of one split."""

    def __init__(self, part: Predicted, codes: Indices) -> None:
        """`codes` [N, M] are the answers to the questions of the evidence."""
        self._evidence = part.evidence
        self._codes = codes
        self._ranked = np.argsort(-part.qualities, axis=1, kind="stable")
        self._pool: list[int] = []

    def panels(self, of: _Questions, size: int) -> Mapping[str, Chosen]:
        """The panels of every way."""
        count = len(of.ids)
        models = range(len(self._evidence.experts))
        return {
            FIXED: [list(range(size))] * count,
            AT_RANDOM: [Random(f"{size} {one}").sample(models, size) for one in of.ids],
            ROUTED: self._ranked[:, :size].tolist(),
            GREEDY: [self._greedy(size)] * count,
            CATEGORY: self._recruited(of, size),
            APART: self._recruited(of, size, agreement_weight=AGREEMENT_WEIGHT),
            NEAREST: self._recruited(of, size, nearest=True),
            BESIDE: self._recruited(of, size, neighbours=64, skill_weight=10),
            PAPER: self._recruited(of, size, mode="paper"),
            AGAIN: self._recruited(of, size, mode="paper", distinct=False),
            CODE: self._recruited(of, size, mode="code"),
        }

    def _recruited(
        self, of: _Questions, size: int, *, nearest: bool = False, **keys: Any
    ) -> Chosen:
        """By the router's own recruiting; nobody is left out but by chance."""
        given = {"experts": size, "type": "symbolic_moe", "outcomes": "recorded"}
        if "mode" not in keys:  # The draws of the others leave nobody out.
            given["least_share"] = 0
        symbolic = Symbolic.fit(self._evidence, SymbolicConfig.model_validate({**given, **keys}))
        everybody = np.arange(len(self._evidence.experts))
        if nearest:
            near = symbolic.nearest(of.vectors)
            skills = [symbolic.skills(near.of(row)) for row in range(len(of.ids))]
        else:
            numbers = {name: number for number, name in enumerate(symbolic.profiles.skills)}
            skills = [
                np.array([numbers[one]] if one in numbers else [], dtype=np.intp)
                for one in of.categories
            ]
        expected = symbolic.expected(skills, of.vectors)
        return [
            symbolic.recruit(row, own, everybody, Random(one))
            for row, own, one in zip(expected, skills, of.ids, strict=True)
        ]

    def _greedy(self, size: int) -> list[int]:
        """Grown by whoever lets the pool's vote score most on the evidence."""
        scores = np.nan_to_num(self._evidence.scores)
        while len(self._pool) < size:
            others = [m for m in range(scores.shape[1]) if m not in self._pool]
            worth = [self._vote([*self._pool, model], scores) for model in others]
            self._pool.append(others[int(np.argmax(worth))])
        return self._pool[:size]

    def _vote(self, pool: list[int], scores: Floats) -> float:
        return float(plurality(self._codes[:, pool], scores[:, pool]).mean())


def plurality(codes: Indices, scores: Floats) -> Floats:
    """[N] scores of the answers that most of a panel gave, from [N, k] answers and their scores.

    As `aggregators.tally` counts: who was asked first wins a tie, and stands where no answer can be
    read, which is what a negative number says.
    """
    votes = ((codes[:, :, None] == codes[:, None, :]) & (codes >= 0)[:, None, :]).sum(axis=2)
    winner = votes.argmax(axis=1)
    return np.asarray(scores[np.arange(len(codes)), winner], dtype=float)


def numbered(answers: Any) -> Indices:
    """[N, M] answers as numbers, equal where two answers to a question are equal; -1 for none."""
    found = np.full(answers.shape, -1, dtype=np.intp)
    for row, own in enumerate(answers):
        numbers: dict[str, int] = {}
        for column, answer in enumerate(own):
            if answer is not None:
                found[row, column] = numbers.setdefault(answer, len(numbers))
    return found
