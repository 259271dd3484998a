"""Votes of many questions at once: what `aggregators.vote` counts, over arrays.

A question's answers are whole numbers, equal where the answers say the same, and -1 where nothing
can be read. Places are in the order in which the experts are asked.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregators.tally import lead_probability, log_odds_weight

Floats = NDArray[np.floating[Any]]
Numbers = NDArray[np.integer[Any]]

SILENT = -1
DIGITS = 9
"""Digits of a weight that count, so that equal leads are computed once."""


@dataclass(frozen=True, eq=False)
class Ballots:
    """T questions, K answers to each in the order of asking, and what their votes weigh."""

    labels: Numbers
    """[T, K]"""
    weights: Floats
    """[T, K]"""

    def winners(self, asked: int) -> Numbers:
        """[T] place of who speaks for the winner after so many answers.

        The heaviest answer wins, in its first voter's words; who was asked first wins a tie, and
        speaks where nothing can be read.
        """
        return self._counted(asked)[0]

    def spokesmen(self, asked: Numbers) -> Numbers:
        """[T] the same where each question has its own number of answers [T]."""
        places = np.zeros(len(asked), dtype=int)
        for count in np.unique(asked).tolist():
            rows = asked == count
            places[rows] = Ballots(self.labels[rows], self.weights[rows]).winners(count)
        return places

    def asked(self, stop_at: float | None) -> Numbers:
        """[T] how many answer, one after the other, until the leader most probably stays ahead."""
        count = self.labels.shape[1]
        if stop_at is None:
            return np.full(len(self.labels), count)
        last = np.ones((len(self.labels), 1), dtype=bool)
        clear = np.concatenate([self.sure >= stop_at, last], axis=1)
        return np.asarray(clear.argmax(axis=1) + 1)

    @cached_property
    def sure(self) -> Floats:
        """[T, K - 1] the probability after each answer but the last that the leader stays ahead."""
        count = self.labels.shape[1]
        found = [self._sure(asked) for asked in range(1, count)]
        return np.stack(found, axis=1) if found else np.zeros((len(self.labels), 0))

    def _sure(self, asked: int) -> Floats:
        places, first, second = self._counted(asked)
        labels, weights = self.labels[:, :asked], self.weights
        leader = np.take_along_axis(labels, places[:, None], axis=1)
        others = (labels != SILENT) & (labels != leader)
        # The leader wins ties where nobody who was asked before its voters has a vote.
        ties = ~(others & (np.arange(asked) < places[:, None])).any(axis=1)
        unit = weights.mean(axis=1)
        waiting = np.maximum(weights[:, asked:].sum(axis=1), 0.0)
        cases = np.stack([first, second, waiting, unit, ties], axis=1).round(DIGITS)
        rows, number = _different(cases)
        chances = [
            lead_probability((a, b), left, each, wins_ties=bool(tied)) if each else 0.0
            for a, b, left, each, tied in cases[rows].tolist()
        ]
        return np.array(chances)[number]

    def _counted(self, asked: int) -> tuple[Numbers, Floats, Floats]:
        """[T] the winner's place, its weight, and that of the second answer."""
        labels, weights = self.labels[:, :asked], self.weights[:, :asked]
        read = labels != SILENT
        same = (labels[:, :, None] == labels[:, None, :]) & read[:, :, None]
        totals = np.einsum("tij,tj->ti", same, weights)
        places = np.where(read, totals, -1.0).argmax(axis=1)
        leader = np.take_along_axis(labels, places[:, None], axis=1)
        first = np.where(read & (labels == leader), totals, 0.0).max(axis=1)
        second = np.where(read & (labels != leader), totals, 0.0).max(axis=1)
        return places, first, second


def _different(cases: Floats) -> tuple[Numbers, Numbers]:
    """A row number for each different row, and for each row [T] which of those it is."""
    key = np.zeros(len(cases), dtype=np.int64)
    for column in cases.T:  # Column by column: much faster than `np.unique` of rows.
        values, number = np.unique(column, return_inverse=True)
        _, key = np.unique(key * len(values) + number.ravel(), return_inverse=True)
    _, rows = np.unique(key, return_index=True)
    return rows, key


def router_weights(predicted: Floats, wrong_answers: int) -> Floats:
    """The weights of votes by predicted quality, of any shape: `log_odds_weight`."""
    different, number = np.unique(predicted, return_inverse=True)
    weights = np.array([log_odds_weight(float(one), wrong_answers) for one in different])
    return weights[number].reshape(predicted.shape)
