"""Who wins a vote, how sure that is before all have voted, and what a vote weighs."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ask import ScriptedAsk, said

from aggregators.base import Panel
from aggregators.tally import (
    SURE_LEAST,
    SURE_MOST,
    lead_probability,
    log_odds_weight,
    mean_token_probability,
    min_token_probability,
    reconcile_weight,
    tally,
)
from experts.types import Completion

LABELS = st.lists(st.sampled_from(["A", "B", "C", None]), max_size=12)
VOTES = st.integers(0, 12)
WAITING = st.integers(0, 10)


def test_most_votes_win() -> None:
    counted = tally(["B", "A", "A", "C"], [1.0] * 4)
    assert counted.winner == "A"
    assert counted.lead == (2.0, 1.0)
    assert list(counted.weights) == ["A", "B", "C"]


def test_heavy_votes_win_over_many() -> None:
    counted = tally(["A", "A", "B"], [0.3, 0.3, 0.8])
    assert counted.winner == "B"
    assert counted.lead == pytest.approx((0.8, 0.6))


def test_the_first_of_equals_wins() -> None:
    counted = tally(["B", "A", "A", "B", "C"], [1.0] * 5)
    assert list(counted.weights) == ["B", "A", "C"]


def test_who_says_nothing_has_no_vote() -> None:
    counted = tally([None, None, "A", None], [1.0] * 4)
    assert counted.weights == {"A": 1.0}
    assert counted.lead == (1.0, 0.0)


@pytest.mark.parametrize("labels", [[], [None], [None, None]])
def test_without_votes_nobody_wins(labels: list[str | None]) -> None:
    counted = tally(labels, [1.0] * len(labels))
    assert counted.winner is None
    assert counted.lead == (0.0, 0.0)


def test_each_vote_has_one_weight() -> None:
    with pytest.raises(ValueError, match="shorter"):
        tally(["A", "B"], [1.0])


@given(LABELS)
def test_no_label_outweighs_the_winner(labels: list[str | None]) -> None:
    counted = tally(labels, [1.0] * len(labels))
    given_votes = [label for label in labels if label is not None]
    assert sum(counted.weights.values()) == len(given_votes)
    if given_votes:
        best = max(map(given_votes.count, given_votes))
        first = next(label for label in given_votes if given_votes.count(label) == best)
        assert counted.winner == first


@cache
def urn(first: int, second: int, waiting: int, wins_ties: bool) -> float:
    """The probability that the first stays first, by drawing each vote from Polya's urn."""
    if not waiting:
        return float(first > second or (wins_ties and first == second))
    likes = (first + 1) / (first + second + 2)
    won = urn(first + 1, second, waiting - 1, wins_ties)
    return likes * won + (1 - likes) * urn(first, second + 1, waiting - 1, wins_ties)


def test_the_urn_goes_on_from_the_votes_there_are() -> None:
    assert urn(2, 0, 2, True) == pytest.approx(1.0)
    assert urn(2, 0, 2, False) == pytest.approx(1 - 1 / 4 * 2 / 5)
    assert urn(1, 0, 2, True) == pytest.approx(1 - 1 / 3 * 2 / 4)


@given(VOTES, VOTES, WAITING, st.booleans())
def test_the_chance_to_hold_is_that_of_drawing_all_votes(
    first: int, second: int, waiting: int, wins_ties: bool
) -> None:
    expected = urn(first, second, waiting, wins_ties) if first > second else 0.0
    assert lead_probability((first, second), waiting, wins_ties=wins_ties) == pytest.approx(
        expected
    )


def test_two_to_nothing_of_six_holds_for_who_wins_ties() -> None:
    assert lead_probability((2, 0), 4, wins_ties=True) >= 0.95
    assert lead_probability((2, 0), 4) < 0.95
    assert lead_probability((3, 0), 3) >= 0.95
    assert lead_probability((2, 1), 3, wins_ties=True) < 0.95
    assert lead_probability((1, 0), 5, wins_ties=True) < 0.95


@given(VOTES, VOTES, WAITING, st.booleans())
def test_without_a_lead_nothing_holds(votes: int, more: int, waiting: int, wins_ties: bool) -> None:
    assert lead_probability((votes, votes + more), waiting, wins_ties=wins_ties) == 0.0


@given(VOTES, st.integers(1, 10), st.data())
def test_only_who_can_not_be_overtaken_holds_for_certain(
    second: int, ahead: int, data: st.DataObject
) -> None:
    waiting = data.draw(st.integers(0, ahead - 1))
    lead = (second + ahead, second)
    assert lead_probability(lead, waiting) == lead_probability(lead, waiting, wins_ties=True) == 1.0
    assert lead_probability(lead, ahead) < lead_probability(lead, ahead, wins_ties=True) == 1.0
    assert lead_probability(lead, ahead + 1, wins_ties=True) < 1.0


@given(VOTES, VOTES, WAITING, st.integers(1, 5), st.booleans())
def test_a_larger_lead_holds_better(
    first: int, second: int, waiting: int, more: int, wins_ties: bool
) -> None:
    now = lead_probability((first, second), waiting, wins_ties=wins_ties)
    assert lead_probability((first + more, second), waiting, wins_ties=wins_ties) >= now - 1e-12
    assert lead_probability((first, second + more), waiting, wins_ties=wins_ties) <= now + 1e-12
    assert 0.0 <= now <= 1.0


@given(VOTES, VOTES, WAITING, st.sampled_from([0.1, 0.3, 0.7, 4.0]), st.booleans())
def test_votes_of_another_weight_hold_as_well(
    first: int, second: int, waiting: int, unit: float, wins_ties: bool
) -> None:
    weighed = lead_probability(
        (first * unit, second * unit), waiting * unit, unit, wins_ties=wins_ties
    )
    expected = lead_probability((first, second), waiting, wins_ties=wins_ties)
    assert weighed == pytest.approx(expected, abs=1e-9)


def test_thousands_of_votes_can_be_waited_for() -> None:
    assert lead_probability((600, 400), 5000) == pytest.approx(1.0, abs=1e-6)
    assert 0.5 < lead_probability((501, 500), 5000) < 0.6


@pytest.mark.parametrize("chunk", [1, 2, 3])
async def test_a_certain_winner_is_the_winner_of_the_whole_vote(chunk: int) -> None:
    experts = ("one", "two", "three", "four")
    other = []
    for votes in product("AB", repeat=len(experts)):
        winners = [
            await said(
                {"type": "vote", "stop_at": stop_at, "chunk": chunk},
                Panel(experts),
                ScriptedAsk(dict(zip(experts, votes, strict=True))),
            )
            for stop_at in (None, 1.0)
        ]
        if winners[0] != winners[1]:
            other.append("".join(votes))
    assert other == []


@pytest.mark.parametrize(
    ("confidence", "weight"),
    [
        (1.0, 1.0),
        (1 - 1e-12, 1.0),
        (0.9999, 0.8),
        (0.9, 0.8),
        (math.nextafter(0.9, 0), 0.5),
        (0.8, 0.5),
        (math.nextafter(0.8, 0), 0.3),
        (math.nextafter(0.6, 1), 0.3),
        (0.6, 0.1),
        (0.3, 0.1),
        (0.0, 0.1),
        (None, 0.1),
    ],
)
def test_confidence_weighs_in_the_published_steps(confidence: float | None, weight: float) -> None:
    assert reconcile_weight(confidence) == weight


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_confidence_never_weighs_less(one: float, other: float) -> None:
    assert reconcile_weight(min(one, other)) <= reconcile_weight(max(one, other))


@pytest.mark.parametrize("others", [1, 3, 9])
def test_who_is_right_as_often_as_chance_has_no_vote(others: int) -> None:
    chance = 1 / (others + 1)
    assert log_odds_weight(chance, others) == pytest.approx(0.0, abs=1e-12)
    assert log_odds_weight(chance / 2, others) == 0.0
    assert log_odds_weight(chance * 1.1, others) > 0.0


@pytest.mark.parametrize("quality", [-1.0, 0.0, 1.0, 2.0])
def test_nobody_is_infinitely_good(quality: float) -> None:
    sure = SURE_MOST if quality > 0.5 else SURE_LEAST
    assert log_odds_weight(quality, 9) == log_odds_weight(sure, 9)
    assert log_odds_weight(quality, 9) <= math.log(0.98 * 9 / 0.02) + 1e-9


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0.4, 0.95)), min_size=1, max_size=6),
    st.integers(2, 9),
)
def test_weights_by_quality_make_the_likeliest_answer_win(
    votes: list[tuple[str, float]], others: int
) -> None:
    def log_likelihood(answer: str) -> float:
        return sum(math.log(q if said == answer else (1 - q) / others) for said, q in votes)

    counted = tally([said for said, _ in votes], [log_odds_weight(q, others) for _, q in votes])
    assert counted.winner is not None
    best = max(map(log_likelihood, "ABC"))
    assert log_likelihood(counted.winner) == pytest.approx(best)


def test_an_answer_is_as_likely_as_its_mean_token() -> None:
    told = (math.log(0.9), math.log(0.4), math.log(0.6))
    completion = Completion("one", "a b c", logprobs=told)
    assert mean_token_probability(completion) == pytest.approx((0.9 * 0.4 * 0.6) ** (1 / 3))
    assert min_token_probability(completion) == pytest.approx(0.4)


def test_the_length_of_an_answer_makes_it_no_less_likely() -> None:
    short, long = (Completion("one", "", logprobs=(-0.2,) * count) for count in (1, 500))
    assert mean_token_probability(short) == pytest.approx(mean_token_probability(long))


def test_without_probabilities_nothing_is_told() -> None:
    assert mean_token_probability(Completion("one", "a")) is None
    assert min_token_probability(Completion("one", "a")) is None
