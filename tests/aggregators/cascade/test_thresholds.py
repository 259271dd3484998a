"""Thresholds of a cascade: what they would have brought, and which are the best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aggregators.cascade.thresholds import (
    MOST_GRID,
    NEVER,
    Cascade,
    Floats,
    Measured,
    fit,
    play,
    read,
    write,
)
from experts.errors import ConfigError

EXPERTS = ("small", "middle", "large")
PRICES = (1.0, 10.0, 100.0)
QUESTIONS = Measured(
    confidences=np.array([[0.9, 0.5, 0.0], [0.8, 0.9, 0.0], [0.4, 0.7, 0.0], [0.2, 0.1, 0.0]]),
    scores=np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]),
    prices=np.tile(PRICES, (4, 1)),
)


def measured(questions: int, experts: int) -> st.SearchStrategy[Measured]:
    shape = (questions, experts)
    column = arrays.arrays(np.float64, shape, elements=st.floats(0, 1, width=16))
    scores = arrays.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0]))
    return st.builds(Measured, column, scores, column)


def played(known: Measured, thresholds: Sequence[float]) -> Cascade:
    """The same as `play`, one question after the other."""
    count, experts = known.scores.shape
    score, price, taken = 0.0, 0.0, [0] * experts
    for question in range(count):
        for expert in range(experts):
            price += known.prices[question, expert]
            last = expert == experts - 1
            if last or known.confidences[question, expert] >= thresholds[expert]:
                score += known.scores[question, expert]
                taken[expert] += 1
                break
    shares = tuple(number / count for number in taken)
    return Cascade(tuple(thresholds), score / count, price / count, shares)


def test_a_cascade_stops_at_the_first_that_is_sure() -> None:
    found = play(QUESTIONS, (0.8, 0.7))
    assert found.thresholds == (0.8, 0.7)
    assert found.accuracy == 1.0
    assert found.shares == (0.5, 0.25, 0.25)
    assert found.price == pytest.approx((1 + 1 + 11 + 111) / 4)


@pytest.mark.parametrize(
    ("thresholds", "shares", "price"),
    [((0.0, 0.0), (1, 0, 0), 1), ((NEVER, 0.0), (0, 1, 0), 11), ((NEVER,) * 2, (0, 0, 1), 111)],
)
def test_a_cascade_can_always_take_the_same(
    thresholds: tuple[float, ...], shares: tuple[float, ...], price: float
) -> None:
    found = play(QUESTIONS, thresholds)
    assert found.shares == shares
    assert found.price == price
    assert found.accuracy == QUESTIONS.scores[:, shares.index(1)].mean()


@given(measured(5, 3), st.tuples(st.floats(0, 1), st.floats(0, NEVER)))
def test_playing_all_at_once_is_playing_one_by_one(
    known: Measured, thresholds: tuple[float, ...]
) -> None:
    found, expected = play(known, thresholds), played(known, thresholds)
    assert found.accuracy == pytest.approx(expected.accuracy)
    assert found.price == pytest.approx(expected.price)
    assert found.shares == pytest.approx(expected.shares)


def test_without_bounds_the_most_accurate_is_found_at_its_least_price() -> None:
    best = fit(QUESTIONS)
    assert best.accuracy == 1.0
    assert best.price == pytest.approx((1 + 1 + 11 + 111) / 4)


def test_the_most_accurate_for_a_price_is_found() -> None:
    found = fit(QUESTIONS, max_price=6.0)
    assert found.accuracy == 0.75
    assert found.price == pytest.approx((1 + 1 + 11 + 11) / 4)
    assert fit(QUESTIONS, max_price=1.0).shares == (1.0, 0.0, 0.0)


def test_the_cheapest_of_an_accuracy_is_found() -> None:
    assert fit(QUESTIONS, min_accuracy=0.5).price == 1.0
    assert fit(QUESTIONS, min_accuracy=0.75).price == 6.0
    assert fit(QUESTIONS, min_accuracy=0.76).accuracy == 1.0


def test_both_bounds_hold() -> None:
    found = fit(QUESTIONS, max_price=6.0, min_accuracy=0.75)
    assert (found.accuracy, found.price) == (0.75, 6.0)


def test_of_equally_good_thresholds_the_strictest_is_found() -> None:
    for found in (fit(QUESTIONS, max_price=1.0), fit(QUESTIONS, min_accuracy=0.5)):
        assert found.thresholds == (0.2, NEVER)


@pytest.mark.parametrize(
    ("max_price", "min_accuracy"), [(0.5, None), (None, 1.1), (5.0, 0.9), (6.0, 1.0)]
)
def test_where_nothing_fits_the_range_is_told(
    max_price: float | None, min_accuracy: float | None
) -> None:
    with pytest.raises(ConfigError, match=r"prices are 1 to 111, accuracies 0\.500 to 1\.000"):
        fit(QUESTIONS, max_price, min_accuracy)


@settings(deadline=None)
@given(measured(6, 3), st.floats(0, 3), st.floats(0, 1))
def test_no_thresholds_at_the_measured_confidences_are_better(
    known: Measured, max_price: float, min_accuracy: float
) -> None:
    steps = [
        [0.0, *sorted({float(c) for c in known.confidences[:, place]}), NEVER] for place in (0, 1)
    ]
    every = [played(known, thresholds) for thresholds in product(*steps)]
    assert fit(known).accuracy == pytest.approx(max(one.accuracy for one in every))
    affordable = [one.accuracy for one in every if one.price <= max_price]
    accurate = [one.price for one in every if one.accuracy >= min_accuracy]
    if affordable:
        found = fit(known, max_price=max_price)
        assert found.price <= max_price + 1e-9
        assert found.accuracy >= max(affordable) - 1e-9
    if accurate:
        found = fit(known, min_accuracy=min_accuracy)
        assert found.accuracy >= min_accuracy - 1e-9
        assert found.price <= min(accurate) + 1e-9


def many(seed: int) -> Measured:
    """Six experts, the later ones better and dearer, whose confidence tells something."""
    dice = np.random.default_rng(seed)
    shape = (60, 6)
    scores = (dice.random(shape) < np.linspace(0.3, 0.9, shape[1])).astype(np.float64)
    confidences: Floats = np.clip(0.4 * scores + dice.random(shape) * 0.6, 0, 1)
    prices: Floats = np.tile(2.0 ** np.arange(shape[1]), (shape[0], 1))
    return Measured(confidences, scores, prices)


@pytest.mark.parametrize("seed", range(3))
def test_with_many_experts_none_is_better_by_itself(seed: int) -> None:
    known = many(seed)
    assert 26 ** (known.scores.shape[1] - 1) > MOST_GRID
    first, last = play(known, [0.0] * 5), play(known, [NEVER] * 5)
    assert fit(known).accuracy >= max(first.accuracy, last.accuracy)
    for max_price in (first.price, 5.0, last.price):
        found = fit(known, max_price=max_price)
        assert found.price <= max_price + 1e-9
        assert found.accuracy >= first.accuracy
    for min_accuracy in (first.accuracy, last.accuracy):
        found = fit(known, min_accuracy=min_accuracy)
        assert found.accuracy >= min_accuracy - 1e-9
        assert found.price <= (first if min_accuracy == first.accuracy else last).price


def test_with_many_experts_what_can_not_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="No thresholds fit: prices are 1 to"):
        fit(many(0), max_price=0.5)


def test_one_expert_needs_no_threshold() -> None:
    alone = Measured(np.ones((2, 1)), np.array([[1.0], [0.0]]), np.ones((2, 1)))
    assert fit(alone) == Cascade((), 0.5, 1.0, (1.0,))


@settings(deadline=None)
@given(st.tuples(st.floats(0, 1), st.floats(0, NEVER)), st.sampled_from([EXPERTS, ()]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    thresholds: tuple[float, ...],
    order: tuple[str, ...],
) -> None:
    path = tmp_path_factory.mktemp("fitted") / "deep" / "thresholds.json"
    found = play(QUESTIONS, thresholds)
    write(path, order, "likelihood", found)
    assert read(path, EXPERTS, "likelihood") == read(path, (), "likelihood") == thresholds
    expected = json.loads(path.read_text(encoding="utf-8"))["expected"]
    assert expected["accuracy"] == found.accuracy
    assert expected["price_usd"] == found.price
    assert tuple(expected["shares"]) == found.shares


def test_thresholds_of_another_signal_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    write(path, EXPERTS, "likelihood", play(QUESTIONS, (0.5, 0.5)))
    with pytest.raises(ConfigError, match=r"fitted for the signal likelihood"):
        read(path, EXPERTS, "agreement")


def test_thresholds_of_other_experts_or_another_order_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    write(path, EXPERTS, "likelihood", play(QUESTIONS, (0.5, 0.5)))
    for other in (("large", "middle", "small"), EXPERTS[:2], ("small", "other", "large")):
        with pytest.raises(ConfigError, match=r"fitted for small, middle, large"):
            read(path, other, "likelihood")


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"signal": "likelihood", "experts": []}',
        b'{"signal": "likelihood", "experts": [], "accept": 0.5}',
        b'{"signal": "likelihood", "experts": [], "accept": ["high"]}',
        b'{"signal": "likelihood", "experts": [], "accept": [null]}',
        b'{"signal": "likelihood", "experts": [], "accept": {"small": 0.5}}',
        b'{"signal": "likelihood", "accept": [0.5]}',
        b'{"experts": [], "accept": [0.5]}',
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "thresholds.json"
    path.write_bytes(written)
    with pytest.raises(ConfigError, match=r"thresholds\.json cannot be read") as refused:
        read(path, EXPERTS, "likelihood")
    assert refused.value.hint == "`coterie cascade fit` writes them."


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json cannot be read"):
        read(tmp_path / "none.json", EXPERTS, "likelihood")
