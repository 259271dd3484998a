"""Symbolic-MoE: keywords, profiles, chances in both modes, panels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experts.errors import ConfigError
from experts.types import Request
from routers.fitted.training_set import TrainingSet
from routers.outcomes import Outcome, OutcomeTable, Query
from routers.registry import build as build_router
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


def training_set(scores: list[list[float]]) -> TrainingSet:
    queries = tuple(Query(str(n), "t", str(n)) for n in range(len(scores)))
    vectors = np.zeros((len(scores), 2), np.float32)
    names = tuple(f"e{n}" for n in range(len(scores[0])))
    return TrainingSet(queries, names, vectors, np.array(scores), "encoder")


def test_profiles_count_right_and_wrong() -> None:
    skills = [("add",), ("add", "sort"), ("sort",)]
    profiles = build(training_set([[1, 0], [1, np.nan], [0, 0.7]]), skills)
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


@pytest.mark.parametrize("mode", ["paper", "code"])
def test_where_nobody_has_points_the_weakest_is_not_drawn(mode: Any) -> None:
    local, totals = np.array([-5.0, -60.0, -64.0]), np.array([-400.0, -410.0, -500.0])
    found = chances(local, totals, mode)
    assert found.argmax() == 0
    assert found.argmin() == 2


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


class TestRouter:
    """Over a table with the keywords of a tagger."""

    SKILLS: ClassVar = {
        "q0": ("adding",),
        "q1": ("adding", "big"),
        "q2": ("places",),
        "q3": ("places",),
    }
    TEXTS = ("add one two", "add three four", "capital of peru", "capital of chad")

    @pytest.fixture
    def make(self, tmp_path: Path, encoder: Any) -> Any:
        path = tmp_path / "outcomes.parquet"
        rows = [
            Outcome(f"q{n}", "all", text, expert, "1", float((n < 2) == (expert == "adder")))
            for n, text in enumerate(self.TEXTS)
            for expert in ("adder", "atlas")
        ]
        OutcomeTable.from_rows(rows).with_skills(self.SKILLS, "tagger 1").write(path)

        def make(**keys: Any) -> Any:
            settings = {"type": "symbolic_moe", "outcomes": str(path), "samples": 2, **keys}
            return build_router("s", settings, ("adder", "atlas"), lambda: encoder)

        return make

    @staticmethod
    def ask(text: str, *keywords: str) -> Request:
        body = {"messages": [{"role": "user", "content": text}]}
        return Request("r", "chat/completions", body, keywords)

    def test_skills_are_those_of_the_nearest_questions(self, make: Any) -> None:
        (decision,) = make().route([self.ask("add one four")])
        assert decision.evidence["skills"] == ["adding"]
        assert decision.scores[0][0] == "adder"
        assert set(decision.panel) <= {"adder", "atlas"}
        assert len(decision.panel) == 3

    def test_a_taggers_keywords_decide_where_requests_are_tagged(self, make: Any) -> None:
        request = self.ask("add one four", "places", "nonsense")
        (ignored,) = make().route([request])
        assert ignored.evidence["skills"] == ["adding"]
        router = make(tagger="atlas", tag_requests=True, floor=0.9)
        (decision,) = router.route([request])
        assert router.tagging.expert == "atlas"
        assert decision.evidence["skills"] == ["places"]
        assert decision.scores[0][0] == "atlas"

    def test_without_a_floor_every_keyword_means_a_skill(self, make: Any) -> None:
        router = make(tagger="atlas", tag_requests=True)
        (decision,) = router.route([self.ask("add one", "nonsense")])
        assert len(decision.evidence["skills"]) == 1

    def test_no_skill_recruits_anybody(self, make: Any) -> None:
        router = make(tagger="atlas", tag_requests=True, floor=0.9, seed=1)
        panels = router.route(
            [replace(self.ask("add one", "nonsense"), id=f"r{n}") for n in range(40)]
        )
        assert panels[0].evidence["skills"] == []
        assert {name for decision in panels for name in decision.panel} == {"adder", "atlas"}

    def test_keys_that_do_not_fit(self, make: Any, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="tagger: no expert is called `nobody`"):
            make(tagger="nobody")
        with pytest.raises(ConfigError, match="tag_requests: needs the key `tagger`"):
            make(tag_requests=True)
        with pytest.raises(ConfigError, match="no expert has been probed"):
            make(leads=str(tmp_path / "leads.json"))
