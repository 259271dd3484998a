"""Maps over budgets on made-up recordings: what they may use, and what they are said to beat."""

from __future__ import annotations

import numpy as np
import pytest

from evals.benchmarks.composition.claim import Comparison, compare, ranges
from evals.benchmarks.composition.evidence import Evidence
from evals.benchmarks.composition.fallback import FOREIGN, KNOWN, fall_back
from evals.benchmarks.composition.labels import CONFIDENCE, HIDDEN, hide_and_find
from evals.benchmarks.composition.parts import Part, learn
from evals.benchmarks.composition.sweep import Kind, Point, budgets, sweep
from evals.reporting.intervals import Accuracy


def quiet(*words: object) -> None:
    """No progress is shown."""


@pytest.fixture(scope="module")
def parts(evidence: Evidence) -> list[Part]:
    return learn(evidence, evidence.splits(3), quiet)


@pytest.fixture(scope="module")
def points(evidence: Evidence, parts: list[Part]) -> dict[Kind, list[Point]]:
    kinds: tuple[Kind, ...] = ("total", "active")
    return {kind: sweep(evidence, parts, kind, 6, quiet) for kind in kinds}


def test_budgets_hold_the_experts_sizes_and_rise() -> None:
    found = budgets(np.array([4.0, 70.0, 6.0]), 80.0, 4)
    assert {4.0, 6.0, 70.0, 80.0} <= {*found}
    assert found == sorted(found)


def test_no_map_exceeds_its_budget(points: dict[Kind, list[Point]]) -> None:
    assert all(point.total <= point.budget * 1.001 for point in points["total"])
    # An average over held-out questions may differ a little from that over the others.
    assert all(point.active <= point.budget * 1.1 for point in points["active"])


def test_two_specialists_beat_everybody_smaller_and_the_large_one(
    evidence: Evidence, parts: list[Part], points: dict[Kind, list[Point]]
) -> None:
    at_ten = next(point for point in points["total"] if point.budget >= 10)
    assert at_ten.scores.mean() > 0.8
    assert at_ten.single.mean() < 0.65
    found = compare(evidence, parts, "total", points["total"])
    assert [one.beats_all for one in found] == [one.budget >= 10 for one in found]
    [(first, last)] = ranges(found, lambda one: one.beats_all)
    assert (first.budget, last.budget) == (at_ten.budget, found[-1].budget)
    assert last.rival == "large"


def test_with_the_smallest_budget_the_map_is_the_single_expert(
    points: dict[Kind, list[Point]],
) -> None:
    first = points["total"][0]
    assert first.scores.tolist() == first.single.tolist()
    assert first.oracle == pytest.approx(first.single.mean())


def test_categories_bring_more_than_a_lot(
    evidence: Evidence, parts: list[Part], points: dict[Kind, list[Point]]
) -> None:
    found = compare(evidence, parts, "active", points["active"])
    assert any(one.beats_lot for one in found)
    assert all(point.by_lot is None for point in points["total"])


def test_runs_of_wins() -> None:
    some = Accuracy(0, 0, 0, 1)
    wins = [False, True, True, False, True]
    rows = [Comparison(float(n), "x", 0.5, some, win, None) for n, win in enumerate(wins)]
    found = ranges(rows, lambda one: one.beats_all)
    assert [(a.budget, b.budget) for a, b in found] == [(1.0, 2.0), (4.0, 4.0)]
    assert not any(one.beats_lot for one in rows)


def test_hidden_categories_are_found_again(evidence: Evidence) -> None:
    lines = hide_and_find(evidence, evidence.splits(3), None, quiet)
    assert len(lines) == 1 + len(HIDDEN) * (1 + len(CONFIDENCE))
    half = next(line for line in lines if line.way == "50 % hidden: each to the nearest")
    assert half.joined == 1.0
    assert half.right is not None
    assert half.right > 0.95
    assert half.accuracy.mean == pytest.approx(lines[0].accuracy.mean, abs=0.02)


def test_falling_back_is_compared_with_chance(evidence: Evidence) -> None:
    found = fall_back(evidence, evidence.splits(3), None, quiet)
    assert [*found] == [KNOWN, FOREIGN]
    plain, always, *guards = found[KNOWN]
    assert (plain.fired, always.fired) == (0.0, 1.0)
    assert always.active == 70.0
    assert all(0 <= line.fired <= 0.5 for line in guards)
    # Fitted on one category, the best expert of all is its specialist: an alarm changes nothing.
    distance = found[FOREIGN][-1]
    assert distance.way.startswith("distance")
    assert distance.fired > 0.9
    assert distance.gain is not None
    assert distance.gain.mean == 0.0
