"""The search on a made-up pool whose right composition is known; the report chooses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.compose import candidates
from evals.compose.answers.matrix import Matrix, check
from evals.compose.bounds import Bounds, Tried
from evals.compose.composition import Order
from evals.compose.experiment import Result, Settings, compose
from evals.compose.predictions import FEWEST_REPORTED, Embedded, check_cuts, parts
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
    chosen = (*result.points, result.chosen, result.picked)
    return [str(one.selected.composition) for one in chosen]


def test_who_knows_is_asked(pool: Embedded) -> None:
    result = run(pool, calls=1)
    assert "router" in str(result.chosen.selected.composition)
    assert result.chosen.accuracy.mean > 0.8
    assert result.chosen.gain.low > 0.2
    assert result.chosen.gain.sure > 0.999
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


def untouched(text: str, done: int, total: int) -> None:
    raise AssertionError(f"{text}: refused only after some work")


@pytest.mark.parametrize(
    ("bound", "most", "option", "needs"),
    [
        ("price", 0.0, "--max-price", "1"),
        ("price", 0.5, "--max-price", "1"),
        ("seconds", 0.0, "--max-seconds", "0.1"),
        ("memory_gb", 4.0, "--max-loaded-gb", "5"),
    ],
)
def test_a_bound_that_no_expert_keeps_is_refused_before_anything_is_fitted(
    pool: Embedded, bound: str, most: float, option: str, needs: str
) -> None:
    settings = Settings(Bounds(**{bound: most}), price)
    with pytest.raises(ConfigError, match=f"{option} {most:g}: no expert alone") as error:
        compose(pool, settings, untouched)
    assert error.value.hint == f"The nearest is guesser: it needs {option} {needs}."


def test_bounds_that_nothing_keeps_together_tell_the_nearest(
    changed: Callable[..., Embedded],
) -> None:
    """One expert is cheap, and another small."""
    known = changed(memory_gb=np.array([10.0, 10.0, 15.0, 40.0]))
    with pytest.raises(ConfigError, match=r"None of .* keeps to --max-price 1 --max-load") as error:
        run(known, price=1.0, memory_gb=12.0)
    assert error.value.hint == "The nearest is guesser: it needs --max-price 1 --max-loaded-gb 15."


def test_what_is_free_keeps_a_bound_of_nothing(
    changed: Callable[..., Embedded], pool: Embedded
) -> None:
    free = changed(prices=np.zeros_like(pool.matrix.prices), rates=np.zeros(4))
    Bounds(price=0.0).check(free.matrix)


@pytest.mark.parametrize(
    ("into", "folds", "said"),
    [
        (25, 5, "--parts 25: 120 different questions make 24 parts at most"),
        (2, 61, "--folds 61: a search chooses on 60 of the 120 different questions"),
        (7, 103, "--folds 103: a search chooses on 102 of the 120"),
    ],
)
def test_more_parts_or_folds_than_questions_are_refused_before_anything_is_fitted(
    pool: Embedded, into: int, folds: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        compose(pool, Settings(Bounds(), price, parts=into, folds=folds), untouched)


@given(st.integers(40, 200), st.data())
def test_what_is_not_refused_has_questions_in_every_part_and_fold(
    count: int, data: st.DataObject
) -> None:
    into = data.draw(st.integers(2, count // FEWEST_REPORTED))
    folds = data.draw(st.integers(2, count - -(-count // into)))
    check_cuts(count, into, folds)
    groups = np.array([f"g{n}" for n in range(count)])
    for seen, unseen in parts(groups, into, 0):
        assert len(unseen) >= FEWEST_REPORTED
        assert all(len(own) for cut in parts(groups[seen], folds, 1) for own in cut)


def test_the_progress_is_one_and_never_falls_back(pool: Embedded) -> None:
    told: list[tuple[int, int]] = []
    settings = Settings(Bounds(calls=2), price, folds=3)
    compose(pool, settings, lambda text, done, total: told.append((done, total)))
    assert {total for _, total in told} == {10_000}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[0][0] == 0
    assert 9_000 < told[-1][0] <= 10_000


def unlucky(pool: Embedded) -> Embedded:
    """`guesser` is always right on the questions that choose, and never on those of the report."""
    seen, unseen = next(parts(pool.matrix.groups, 2, 0))
    scores = pool.matrix.scores.copy()
    scores[seen, 2], scores[unseen, 2] = 1.0, 0.0
    return replace(pool, matrix=replace(pool.matrix, scores=scores))


def test_bad_luck_of_the_best_single_expert_is_no_gain(pool: Embedded) -> None:
    known = unlucky(pool)
    result = run(known)
    assert str(result.picked.selected.composition) == "guesser"
    assert result.picked.accuracy.mean == 0
    means = dict(zip(pool.matrix.experts, known.matrix.scores.mean(axis=0), strict=True))
    _, unseen = next(parts(pool.matrix.groups, 2, 0))
    best = known.matrix.scores[unseen].mean(axis=0).max()
    assert str(result.single.selected.composition) != "guesser"
    assert result.single.accuracy.mean == pytest.approx(best)
    for one in (*result.points, result.chosen):
        assert one.gain.mean == pytest.approx(one.accuracy.mean - best)
    assert result.picked.gain.mean < 0
    assert result.overall_single == max(means, key=lambda name: means[name])
    assert result.overall_gain.mean == pytest.approx(result.overall.mean - max(means.values()))


@pytest.mark.parametrize("seed", range(3))
def test_no_expert_alone_gains_over_the_best_single(pool: Embedded, seed: int) -> None:
    """Equal experts: whichever looks best where it is chosen, nothing is gained by that."""
    random = np.random.default_rng(seed)
    known = pool.take(np.arange(80))
    right = (random.random((80, 4)) < 0.5).astype(float)
    known = replace(known, matrix=replace(known.matrix, scores=right, labels=right.astype(int)))
    result = run(known)
    alone = [one for one in (*result.points, result.picked) if one.selected.composition.single]
    assert all(one.gain.mean <= 0 for one in alone)
    assert result.single.gain.mean == 0
    assert result.overall_gain.mean <= result.overall.mean - right.mean(axis=0).max() + 1e-9


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
    assert result.chosen.gain.sure == 0.5
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
