"""Symbolic-MoE: keywords, profiles, chances in both modes, panels."""

from __future__ import annotations

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
from routers.symbolic_moe.profiles import agreement, build
from routers.symbolic_moe.recruiting import best, chances, draw, rare, worth_asking
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


def test_profiles_are_shares_with_their_errors() -> None:
    skills = [("add",), ("add", "sort"), ("sort",)]
    profiles = build(training_set([[1, 0], [1, np.nan], [0, 0.7]]), skills)
    assert profiles.skills == ("add", "sort")
    assert profiles.right.tolist() == [[2, 1], [0, 1]]
    assert profiles.asked.tolist() == [[2, 2], [1, 1]]
    assert profiles.points(np.array([0, 1])).tolist() == [0.5, 0.0]
    means = np.array([0.5, 0.5])
    assert profiles.accuracy(np.array([0]), means, 1.0).tolist() == [2.5 / 3, 0.25]
    assert profiles.error(np.array([0]), means, 1.0) == pytest.approx([0.1863, 0.25], abs=1e-4)


@given(st.integers(2, 9))
def test_a_larger_table_of_the_same_answers_is_the_same_profile(times: int) -> None:
    scores = [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    skills = [("a",), ("a", "b"), ("b",)]
    small, large = (build(training_set(n * scores), n * skills) for n in (1, times))
    both = np.array([0, 1])
    assert small.points(both) == pytest.approx(large.points(both))
    means = training_set(scores).means
    assert (large.error(both, means, 1.0) < small.error(both, means, 1.0)).all()


def test_an_expert_that_was_never_asked_has_no_points_and_its_mean() -> None:
    profiles = build(training_set([[1, np.nan], [1, 0]]), [("a",), ("b",)])
    assert profiles.points(np.array([0])).tolist() == [1.0, 0.0]
    assert profiles.accuracy(np.array([0]), np.array([1.0, 0.25]), 1.0).tolist() == [1.0, 0.25]


def test_errors_agree_where_they_are_on_the_same_questions() -> None:
    scores = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 1], [1, np.nan, 0, 1]], float)
    found = agreement(scores)
    assert found[0, 1] == pytest.approx(1.0)
    assert found[0, 2] == pytest.approx(-1.0)
    assert found[:, 3].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert found == pytest.approx(found.T)


def test_the_paper_multiplies_and_takes_a_softmax() -> None:
    points, totals = np.array([0.6, 0.2]), np.array([0.75, 0.25])
    weights = np.array([1.5 * 0.6, 0.5 * 0.2]) / 0.5
    expected = np.exp(weights) / np.exp(weights).sum()
    assert chances(points, totals, "paper") == pytest.approx(expected)


def test_the_code_squares_and_leaves_out_who_has_no_points() -> None:
    points, totals = np.array([0.3, 0.1, -0.1]), np.array([0.6, 0.2, 0.4])
    weights = np.array([3 * 36.0, 1 * 4.0, 0.0])
    assert chances(points, totals, "code") == pytest.approx(weights / weights.sum())
    nobody = chances(np.array([-0.1, -0.3]), np.array([0.1, 0.1]), "code")
    assert nobody == pytest.approx([1.2 / 2.2, 1 / 2.2])


@pytest.mark.parametrize("mode", ["paper", "code"])
def test_where_nobody_has_points_the_weakest_is_not_drawn(mode: Any) -> None:
    points, totals = np.array([-0.1, -0.9, -1.0]), np.array([0.3, 0.29, 0.2])
    found = chances(points, totals, mode)
    assert found.argmax() == 0
    assert found.argmin() == 2


@given(
    arrays(float, 4, elements=st.floats(-1, 1)),
    arrays(float, 4, elements=st.floats(0, 1)),
    st.sampled_from(["paper", "code"]),
)
def test_chances_are_always_a_distribution(points: Any, totals: Any, mode: Any) -> None:
    found = chances(points, totals, mode)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)


def test_draws_of_distinct_experts_and_others() -> None:
    probabilities = np.array([0.9, 0.1, 0.0])
    assert draw(probabilities, 3, False, Random(0)).count(0) >= 2
    assert draw(probabilities, 3, True, Random(0)) == [0, 1]


QUALITIES = arrays(float, 5, elements=st.floats(0, 1))


@given(QUALITIES, st.integers(1, 8), st.floats(0, 1))
def test_the_best_are_distinct_and_better_than_the_others(
    quality: Any, count: int, least: float
) -> None:
    worth = worth_asking(quality, least)
    found = best(worth, count, np.zeros((5, 5)), 0.0)
    assert len(found) == len(set(found)) == min(count, int(np.isfinite(worth).sum())) >= 1
    assert [quality[e] for e in found] == sorted(quality, reverse=True)[: len(found)]
    assert all(quality[e] >= least * quality.max() for e in found)


def test_who_errs_as_another_one_does_comes_later() -> None:
    quality, alike = np.array([0.7, 0.69, 0.5]), np.zeros((3, 3))
    alike[0, 1] = alike[1, 0] = 0.9
    assert best(quality, 2, alike, 0.0) == [0, 1]
    assert best(quality, 2, alike, 0.5) == [0, 2]


def test_rare_experts_are_those_of_few_panels() -> None:
    panels = [[0, 0, 1]] * 39 + [[0, 1, 2]]
    assert rare(panels, 4, 0.05) == {2, 3}
    assert rare([[0], [1]], 2, 0.9) == frozenset()


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
        assert decision.panel == ("adder",)
        assert decision.evidence["recruits"] == [
            {"expert": "adder", "share": 0.8333, "error": 0.1863}
        ]
        (decision,) = make(least_share=0).route([self.ask("add one four")])
        assert decision.panel == ("adder", "atlas")

    def test_the_paper_may_draw_an_expert_again(self, make: Any) -> None:
        router = make(mode="paper", distinct=False)
        asked = [replace(self.ask("add one four"), id=f"r{n}") for n in range(20)]
        panels = [decision.panel for decision in router.route(asked)]
        assert {len(panel) for panel in panels} == {3}
        assert any(len(set(panel)) < 3 for panel in panels)
        assert {len(d.panel) for d in make(mode="paper").route(asked)} == {2}
        with pytest.raises(ConfigError, match="distinct: false needs a draw"):
            make(distinct=False)

    @pytest.mark.parametrize(
        ("keys", "unread"),
        [
            ({"mode": "paper", "least_share": 0.2}, "least_share"),
            ({"mode": "code", "least_share": 0, "agreement_weight": 1}, "least_share and agree"),
            ({"mode": "best", "seed": 1}, "seed"),
        ],
    )
    def test_a_key_that_the_mode_does_not_read_is_named(
        self, make: Any, keys: dict[str, Any], unread: str
    ) -> None:
        with pytest.raises(ConfigError, match=f"does not read {unread}"):
            make(**keys)

    def test_who_is_rare_in_the_profile_run_is_not_recruited(self, make: Any) -> None:
        keys = {"least_share": 0, "experts": 1}
        assert make(**keys).route([self.ask("add one four")])[0].panel == ("adder",)
        none_frequent = make(**keys, trim_below=0.6)
        assert none_frequent.route([self.ask("add one four")])[0].panel == ("adder",)

    @pytest.mark.parametrize("mode", ["best", "paper", "code"])
    def test_a_panel_does_not_depend_on_its_neighbours(self, make: Any, mode: str) -> None:
        keys = {"least_share": 0} if mode == "best" else {}
        router = make(mode=mode, **keys, trim_below=0.3)
        asked = [
            replace(self.ask(text), id=f"{text} {n}") for n in range(20) for text in self.TEXTS
        ]
        alone = [router.route([request])[0].panel for request in asked]
        assert [decision.panel for decision in router.route(asked)] == alone

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
        router = make(tagger="atlas", tag_requests=True, floor=0.9, seed=1, mode="paper")
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
