"""Votes over arrays count what `aggregators.tally` counts, question by question."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregators.tally import lead_probability, log_odds_weight, tally
from evals.compose.ballots import SILENT, Ballots, router_weights

LABELS = st.integers(SILENT, 3)
WEIGHTS = st.sampled_from([0.0, 0.5, 1.0, 1.25, 2.0])


@st.composite
def ballots(draw: st.DrawFn) -> Ballots:
    count = draw(st.integers(1, 6))
    rows = draw(st.integers(1, 5))
    cells = count * rows
    labels = draw(st.lists(LABELS, min_size=cells, max_size=cells))
    weights = draw(st.lists(WEIGHTS, min_size=cells, max_size=cells))
    shape = (rows, count)
    return Ballots(np.array(labels).reshape(shape), np.array(weights).reshape(shape))


def named(labels: np.ndarray) -> list[str | None]:
    return [None if one == SILENT else f"answer {one}" for one in labels.tolist()]


@settings(deadline=None)
@given(ballots())
def test_the_winner_is_that_of_the_tally(found: Ballots) -> None:
    for asked in range(1, found.labels.shape[1] + 1):
        for row, place in enumerate(found.winners(asked).tolist()):
            labels = named(found.labels[row, :asked])
            winner = tally(labels, found.weights[row, :asked].tolist()).winner
            voters = [n for n, label in enumerate(labels) if winner in (None, label)]
            assert place == voters[0]


@settings(deadline=None)
@given(ballots(), st.sampled_from([0.6, 0.8, 0.95]))
def test_it_ends_where_the_lead_is_sure(found: Ballots, stop_at: float) -> None:
    count = found.labels.shape[1]
    for row, asked in enumerate(found.asked(stop_at).tolist()):
        assert asked == next(
            n for n in range(1, count + 1) if n == count or _sure(found, row, n, stop_at)
        )


def _sure(found: Ballots, row: int, asked: int, stop_at: float) -> bool:
    """As `Vote._clear` decides it."""
    labels, weights = named(found.labels[row, :asked]), found.weights[row]
    counted = tally(labels, weights[:asked].tolist())
    voters = [n for n, label in enumerate(labels) if label == counted.winner]
    ties = all(label is None for label in labels[: min(voters, default=0)])
    unit = float(weights.mean())
    left = max(0.0, float(weights[asked:].sum()))
    return bool(unit) and lead_probability(counted.lead, left, unit, wins_ties=ties) >= stop_at


@settings(deadline=None)
@given(ballots())
def test_each_question_has_its_own_number_of_answers(found: Ballots) -> None:
    asked = np.arange(len(found.labels)) % found.labels.shape[1] + 1
    spoken = found.spokesmen(asked)
    for row, count in enumerate(asked.tolist()):
        assert spoken[row] == found.winners(count)[row]


def test_without_a_threshold_all_are_asked() -> None:
    found = Ballots(np.array([[0, 0, 0]]), np.ones((1, 3)))
    assert found.asked(None).tolist() == [3]
    assert found.asked(0.95).tolist() == [2]


def test_weights_are_those_of_a_vote() -> None:
    predicted = np.array([[0.9, 0.05], [0.5, 0.9]])
    expected = [[log_odds_weight(one, 9) for one in row] for row in predicted.tolist()]
    assert router_weights(predicted, 9).tolist() == expected
