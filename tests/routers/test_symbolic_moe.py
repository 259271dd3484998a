"""Symbolic-MoE: keywords, profiles, chances in both modes, panels."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routers.evidence import Evidence
from routers.outcomes import Query
from routers.symbolic_moe.profiles import build
from routers.symbolic_moe.recruiting import chances, draw, trim
from routers.symbolic_moe.skills import agreed, parse


def test_keywords_follow_the_last_tag() -> None:
    sample = "Keywords: not these\nThinking...\nKeywords: Algebra, Number  theory., algebra"
    assert parse(sample) == ("algebra", "number theory")
    assert parse("no tag: a, b") == ("no tag: a", "b")
    assert parse("Keywords: " + "x" * 21) == ()


def test_what_is_said_once_does_not_count() -> None:
    assert agreed([("a", "b"), ("b", "c"), ("c", "b")]) == ("b", "c")
    assert agreed([("a",), ("b",)]) == ()


def evidence(scores: list[list[float]]) -> Evidence:
    queries = tuple(Query(str(n), "t", str(n)) for n in range(len(scores)))
    vectors = np.zeros((len(scores), 2), np.float32)
    names = tuple(f"e{n}" for n in range(len(scores[0])))
    return Evidence(queries, names, vectors, np.array(scores), "encoder")


def test_profiles_count_right_and_wrong() -> None:
    skills = [("add",), ("add", "sort"), ("sort",)]
    profiles = build(evidence([[1, 0], [1, np.nan], [0, 0.7]]), skills)
    assert profiles.skills == ("add", "sort")
    assert profiles.points.tolist() == [[2, 0], [-1, 1]]
    assert profiles.asked.tolist() == [[2, 2], [1, 1]]
    assert profiles.local(np.array([0, 1])).tolist() == [2, 0]
    assert profiles.accuracy(np.array([0]), np.array([0.5, 0.5]), 1.0).tolist() == [2.5 / 3, 0.25]


def test_the_paper_multiplies_and_takes_a_softmax() -> None:
    local, totals = np.array([3.0, 1.0]), np.array([6.0, 2.0])
    weights = np.array([0.75 * 3, 0.25 * 1]) / 0.5
    expected = np.exp(weights) / np.exp(weights).sum()
    assert chances(local, totals, "paper") == pytest.approx(expected)


def test_the_code_squares_and_leaves_out_who_has_no_points() -> None:
    local, totals = np.array([3.0, 1.0, -1.0]), np.array([6.0, 2.0, 4.0])
    weights = np.array([3 * 36.0, 1 * 4.0, 0.0])
    assert chances(local, totals, "code") == pytest.approx(weights / weights.sum())
    nobody = chances(np.array([-1.0, -3.0]), np.array([1.0, 1.0]), "code")
    assert nobody == pytest.approx([0.75, 0.25])


@given(
    arrays(float, 4, elements=st.integers(-50, 50).map(float)),
    arrays(float, 4, elements=st.integers(-50, 50).map(float)),
    st.sampled_from(["paper", "code"]),
)
def test_chances_are_always_a_distribution(local: Any, totals: Any, mode: Any) -> None:
    found = chances(local, totals, mode)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)


def test_draws_with_and_without_replacement() -> None:
    probabilities = np.array([0.9, 0.1, 0.0])
    assert draw(probabilities, 3, True, Random(0)).count(0) >= 2
    assert draw(probabilities, 3, False, Random(0)) == [0, 1]


def test_rare_experts_are_replaced_by_frequent_ones() -> None:
    panels = [[0, 0, 1]] * 39 + [[0, 1, 2]]
    trimmed = trim(panels, 0.05, Random(0))
    assert trimmed[:39] == panels[:39]
    assert trimmed[39][:2] == [0, 1]
    assert trimmed[39][2] in (0, 1)
    assert trim([[0], [1]], 0.9, Random(0)) == [[0], [1]]
    assert Counter(expert for panel in trimmed for expert in panel)[2] == 0
