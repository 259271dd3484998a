"""Plays a composition over answers that are there: what it scores, and what it costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.compose.answers.matrix import Matrix
from evals.compose.ballots import SILENT, Ballots, Floats, Numbers, router_weights
from evals.compose.composition import Alone, Composition, Escalates, Votes
from evals.compose.predictions import Predicted

WRONG_ANSWERS = 9
"""The default of the key `wrong_answers` of a vote."""


@dataclass(frozen=True, eq=False)
class Played:
    """What a composition did on each of T questions."""

    scores: Floats
    """[T] in 0..1."""
    calls: Numbers
    """[T]"""
    prices: Floats
    """[T]"""
    seconds: Floats
    """[T] the longest chain of calls."""
    tokens: Floats
    """[T]"""
    asked: NDArray[np.bool_]
    """[M] who was asked at all."""


class Replay:
    """T questions with what was answered, and what routers that have not seen them predict."""

    def __init__(self, matrix: Matrix, predicted: Predicted) -> None:
        self.matrix = matrix
        self.predicted = predicted
        # Compositions come by order and panel: what the last one needed is mostly needed again.
        self._ordered: tuple[Any, Numbers, Floats] | None = None
        self._ballots_of: tuple[Any, Ballots] | None = None

    def play(self, composition: Composition) -> Played:
        """Deterministic; ties are decided as router, plan and aggregator decide them."""
        columns, scores = self.ordered(composition)
        way = composition.way
        if isinstance(way, Alone):
            place = self._place(way, columns, scores)
            chosen = np.take_along_axis(columns, place[:, None], axis=1)
            return self._played(chosen, np.zeros_like(place), np.ones_like(place), in_turn=False)
        if isinstance(way, Votes):
            ballots = self._ballots(composition, way.experts, way.weights)
            asked = ballots.asked(way.stop_at)
            return self._played(
                columns[:, : way.experts],
                ballots.spokesmen(asked),
                asked,
                in_turn=way.stop_at is not None,
            )
        return self._escalated(composition, way, columns[:, : way.experts])

    def ordered(self, composition: Composition) -> tuple[Numbers, Floats]:
        """[T, n] the columns of a composition's experts, each question's best first; their scores.

        Equal scores are in the order of the overall means.
        """
        key = (composition.experts, composition.order)
        if self._ordered is None or self._ordered[0] != key:
            own = self._own(composition)
            scores = self.predicted.scores(composition.order)[:, own]
            ranks = np.lexsort((self.predicted.ranks[:, own], -scores), axis=1)
            self._ordered = (key, own[ranks], np.take_along_axis(scores, ranks, axis=1))
        return self._ordered[1:]

    def first_scores(self, composition: Composition) -> Floats:
        """[T] the predicted quality of the best expert."""
        return self.ordered(composition)[1][:, 0]

    def _own(self, composition: Composition) -> Numbers:
        return np.array([self.matrix.experts.index(name) for name in composition.experts])

    def _place(self, way: Alone, columns: Numbers, scores: Floats) -> Numbers:
        """[T] which of the ordered experts answers; the better one of two that are worth equal."""
        if way.quality_weight == 1:
            return np.zeros(len(columns), dtype=int)
        prices = self.matrix.rates[columns]
        cost = prices / (prices.max() or 1.0)
        worth = way.quality_weight * scores - (1 - way.quality_weight) * cost
        return np.asarray(worth.argmax(axis=1))

    def _ballots(self, composition: Composition, count: int, weights: str) -> Ballots:
        key = (composition.experts, composition.order, count, weights)
        if self._ballots_of is None or self._ballots_of[0] != key:
            ordered, scores = self.ordered(composition)
            columns = ordered[:, :count]
            heavy: Floats = np.ones(columns.shape)
            if weights == "router":
                heavy = router_weights(scores[:, :count], WRONG_ANSWERS)
            labels = np.take_along_axis(self.matrix.labels, columns, axis=1)
            self._ballots_of = (key, Ballots(labels, heavy))
        return self._ballots_of[1]

    def _escalated(self, composition: Composition, way: Escalates, columns: Numbers) -> Played:
        count = columns.shape[1]
        sure = self.first_scores(composition)
        labels = np.take_along_axis(self.matrix.labels, columns[:, :2], axis=1)
        alone = sure >= way.single_at
        verified = ~alone & (sure >= way.verify_at)
        agreed = verified & (labels[:, 0] == labels[:, 1]) & (labels[:, 0] != SILENT)
        asked = np.where(alone, 1, np.where(agreed, 2, count))
        ballots = self._ballots(composition, count, "equal")
        speaks = np.where(alone | agreed, 0, ballots.winners(count))
        found = self._played(columns, speaks, asked, in_turn=False)
        seconds = np.take_along_axis(self.matrix.seconds, columns, axis=1)
        rest = seconds[:, 2:].max(axis=1, initial=0.0)
        twice = np.where(verified & ~agreed, seconds[:, :2].max(axis=1) + rest, found.seconds)
        return Played(found.scores, found.calls, found.prices, twice, found.tokens, found.asked)

    def _played(
        self, columns: Numbers, speaks: Numbers, asked: Numbers, *, in_turn: bool
    ) -> Played:
        """The first `asked` [T] of `columns` [T, K] answer, and the one at place `speaks` [T]."""
        matrix, rows = self.matrix, np.arange(len(columns))
        called = np.arange(columns.shape[1]) < asked[:, None]

        def of(values: Floats) -> Floats:
            return np.where(called, np.take_along_axis(values, columns, axis=1), 0.0)

        seconds = of(matrix.seconds)
        who = np.zeros(len(matrix.experts), dtype=bool)
        who[np.unique(columns[called])] = True
        return Played(
            matrix.scores[rows, columns[rows, speaks]],
            asked,
            of(matrix.prices).sum(axis=1),
            seconds.sum(axis=1) if in_turn else seconds.max(axis=1),
            of(matrix.tokens).sum(axis=1),
            who,
        )
