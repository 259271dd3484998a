"""The search on a made-up pool whose right composition is known; the report chooses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evals.compose import candidates
from evals.compose.answers.matrix import Matrix, check
from evals.compose.bounds import Bounds, Tried
from evals.compose.composition import Order
from evals.compose.experiment import Result, Settings, compose
from evals.compose.predictions import Embedded, parts
from experts.errors import ConfigError


@pytest.fixture(autouse=True)
def few_routers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three that are fast; the replay of each type has a test of its own."""
    few = (Order("knn"), Order("kernel"), Order("composition"))
    monkeypatch.setattr(candidates, "ROUTERS", few)


def price(one: Tried) -> float:
    return one.price


def run(known: Embedded, **bounds: float) -> Result:
    return compose(known, Settings(Bounds(**bounds), price, folds=3), lambda *words: None)


def names(result: Result) -> list[str]:
    chosen = (*result.points, result.chosen, result.single)
    return [str(one.selected.composition) for one in chosen]


def test_who_knows_is_asked(pool: Embedded) -> None:
    result = run(pool, calls=1)
    assert "router" in str(result.chosen.selected.composition)
    assert result.chosen.accuracy.mean > 0.8
    assert result.chosen.gain.low > 0.2
    assert result.chosen.gain.sure == 1
    assert result.overall_gain.low > 0.2
    assert abs(result.optimism) < 0.1
    lost = {drop.expert: drop for drop in result.drops}
    for needed in ("sums", "cities"):
        loss = lost[needed].loss
        assert loss is not None
        assert loss.low > 0
    spare = lost["slow"].loss
    assert spare is None or spare.mean <= 0.02


def test_many_equal_ones_vote(changed: Callable[..., Embedded]) -> None:
    """Experts that are right by themselves, whatever the question: only a vote helps."""
    random = np.random.default_rng(5)
    right = random.random((240, 4)) < 0.7
    labels = np.where(right, 0, random.integers(1, 9, size=right.shape))
    known = changed(scores=right.astype(float), labels=labels)
    result = run(known, calls=3)
    assert "vote" in str(result.chosen.selected.composition)
    assert result.chosen.gain.low > 0
    assert result.chosen.reported.calls <= 3.2
    assert run(known).chosen.reported.accuracy >= result.chosen.reported.accuracy - 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_the_report_chooses_nothing(pool: Embedded, seed: int) -> None:
    """Poison: with other answers in the first report, the same is chosen from the others."""
    matrix = pool.matrix
    _, unseen = next(parts(matrix.groups, 2, 0))
    random = np.random.default_rng(seed)
    scores, labels, prices = matrix.scores.copy(), matrix.labels.copy(), matrix.prices.copy()
    scores[unseen] = random.random(scores[unseen].shape)
    labels[unseen] = random.integers(-1, 4, size=labels[unseen].shape)
    prices[unseen] *= 3
    poisoned = replace(pool, matrix=replace(matrix, scores=scores, labels=labels, prices=prices))
    clean, other = run(pool), run(poisoned)
    assert names(clean) == names(other)
    assert [one.selected for one in clean.points] == [one.selected for one in other.points]
    assert clean.chosen.accuracy != other.chosen.accuracy


def test_the_same_seed_gives_the_same(pool: Embedded) -> None:
    one, other = run(pool, calls=2), run(pool, calls=2)
    assert names(one) == names(other)
    assert one.overall == other.overall
    assert one.overall_gain == other.overall_gain


def test_bounds_are_kept(pool: Embedded) -> None:
    assert run(pool, price=1.0).chosen.selected.price <= 1.0
    assert run(pool, memory_gb=20).chosen.selected.memory_gb <= 20
    assert run(pool, seconds=0.1).chosen.selected.seconds <= 0.1 + 1e-9
    assert run(pool, panel=2).chosen.reported.most_calls <= 2


def test_bounds_that_nothing_keeps_tell_the_nearest(pool: Embedded) -> None:
    with pytest.raises(ConfigError, match=r"None of .* keeps to --max-price 0.5") as error:
        run(pool, price=0.5)
    assert error.value.hint == "The nearest is guesser: it needs --max-price 1."


def test_bounds_on_what_is_not_known(changed: Callable[..., Embedded], pool: Embedded) -> None:
    nothing = np.full(pool.matrix.prices.shape, np.nan)
    known = changed(prices=nothing, seconds=nothing, rates=nothing[0])
    for bound in ("price", "seconds"):
        with pytest.raises(ConfigError, match="not known"):
            run(known, **{bound: 1.0})
    with pytest.raises(ConfigError, match="nan is not a bound"):
        run(pool, calls=float("nan"))
    result = compose(
        known, Settings(Bounds(calls=1), lambda one: one.calls, folds=3), lambda *words: None
    )
    assert np.isnan(result.chosen.reported.price)


def test_equal_experts_stay_alone(changed: Callable[..., Embedded], pool: Embedded) -> None:
    matrix = pool.matrix
    same = np.repeat(matrix.scores[:, :1], 4, axis=1)
    result = run(changed(scores=same, labels=np.repeat(matrix.labels[:, :1], 4, axis=1)))
    assert str(result.chosen.selected.composition) == "guesser"  # The cheapest.
    assert result.chosen.gain.sure == 0
    assert all(drop.loss is None or drop.loss.mean == 0 for drop in result.drops)


def test_an_expert_that_is_never_right_is_not_needed(
    changed: Callable[..., Embedded], pool: Embedded
) -> None:
    scores = pool.matrix.scores.copy()
    scores[:, 3] = 0
    result = run(changed(scores=scores), calls=1)
    assert "slow" not in {name for one in result.points for name in one.selected.asked}
    assert result.drops[3].loss is None


def test_too_little_to_choose_from(pool: Embedded) -> None:
    matrix = pool.matrix
    with pytest.raises(ConfigError, match="only one expert"):
        check(matrix.only(["sums"]))
    with pytest.raises(ConfigError, match="answered only 39 questions"):
        check(matrix.take(np.arange(39)))
    with pytest.raises(ConfigError, match="Only 20 of the questions differ"):
        check(matrix.take(np.arange(40)))
    with pytest.raises(ConfigError, match="no answers of nobody"):
        matrix.only(["nobody"])
    check(matrix)


def test_two_experts_can_be_composed(pool: Embedded) -> None:
    matrix: Matrix = pool.matrix.only(["sums", "cities"])
    result = run(replace(pool, matrix=matrix), calls=1)
    assert result.chosen.gain.low > 0.2
    assert all(drop.loss is not None and drop.loss.low > 0 for drop in result.drops)
