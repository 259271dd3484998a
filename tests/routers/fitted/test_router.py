"""What all fitted routers share: worth, artifacts, the coverage guard, explanations."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experts.errors import ConfigError
from routers.fitted.coverage import Thresholds, alarms
from routers.fitted.coverage_distance import held_out_distances
from routers.fitted.training_set import BLOCK
from routers.outcomes import Outcome, OutcomeTable
from routers.registry import build

FITTED = (
    "knn", "clusters", "logistic", "factors", "kernel", "ensemble", "composition", "symbolic_moe",
)  # fmt: skip
POOL = ("adder", "atlas")
ALERT = {"action": "abstain", "false_alarms": 0.25}
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "nine")
PLACES = ("chad", "peru", "chile", "spain", "italy", "cuba", "iran", "fiji")


def rows(right: Callable[[str, str], float]) -> list[Outcome]:
    """Forty questions of two tasks; `right` says what an expert scores on a task."""
    sums = [(f"add {a} {b}", "sums") for a in WORDS for b in WORDS[:3]]
    cities = [(f"capital of {a} or {b}", "cities") for a in PLACES for b in PLACES[:2]]
    return [
        Outcome(f"q{number}", task, text, expert, "1", right(expert, task))
        for number, (text, task) in enumerate([*sums, *cities])
        for expert in POOL
    ]


def specialists(expert: str, task: str) -> float:
    return float((expert, task) in {("adder", "sums"), ("atlas", "cities")})


@pytest.fixture
def make(tmp_path: Path, encoder: Any) -> Callable[..., Any]:
    def make(outcomes: list[Outcome], kind: str, experts: Any = POOL, **keys: Any) -> Any:
        path = tmp_path / "made.parquet"
        OutcomeTable.from_rows(outcomes).write(path)
        config = {"type": kind, "outcomes": str(path), **keys}
        return build("auto", config, experts, lambda: encoder)

    return make


@pytest.mark.parametrize("kind", FITTED)
def test_specialists_are_told_apart(kind: str, make: Any, ask: Any) -> None:
    router = make(rows(specialists), kind)
    first, second = router.route([ask("add seven six"), ask("capital of mali or spain")])
    assert (first.scores[0][0], second.scores[0][0]) == POOL
    assert router.fitted.routing_gain.gain > 0.25
    assert router.fitted.trust > 0
    json.dumps(first.evidence)


@pytest.mark.parametrize("kind", FITTED)
def test_where_routing_does_not_pay_the_best_single_answers(kind: str, make: Any, ask: Any) -> None:
    rng = np.random.default_rng(3)
    noise = [
        Outcome(o.query_id, o.task, o.query, o.expert, "1", float(rng.random() < p))
        for o in rows(specialists)
        for p in [0.8 if o.expert == "atlas" else 0.3]
    ]
    router = make(noise, kind)
    assert router.fitted.trust == 0
    assert "routing brings no certain gain" in router.warnings[0]
    decisions = router.route([ask("add seven six"), ask("capital of mali or spain")])
    assert {decision.scores[0][0] for decision in decisions} == {"atlas"}
    assert decisions[0].reason.startswith("Routing brings no certain gain")


@pytest.mark.parametrize("kind", FITTED)
def test_an_artifact_decides_as_the_router_that_wrote_it(
    kind: str, make: Any, ask: Any, tmp_path: Path, encoder: Any
) -> None:
    coverage = {"action": "general", "general": "atlas"}
    fitted = make(rows(specialists), kind, coverage=coverage)
    fitted.save(tmp_path / "router.safetensors")
    keys = {"type": kind, "artifact": str(tmp_path / "router.safetensors"), "coverage": coverage}
    loaded = build("auto", keys, POOL, lambda: encoder)
    asked = [ask(text) for text in ("add seven six", "capital of mali", "zzz", "")]
    assert loaded.route(asked) == fitted.route(asked)
    assert loaded.warnings == fitted.warnings


@pytest.mark.parametrize("kind", FITTED)
def test_constant_scores_and_one_expert_are_no_error(kind: str, make: Any, ask: Any) -> None:
    same = make(rows(lambda expert, task: 1.0), kind)
    assert same.route([ask("add one two")])[0].scores[0][0] == "adder"
    assert same.fitted.trust == 0
    alone = make(rows(specialists), kind, experts=("atlas",))
    assert alone.route([ask("add one two")])[0].scores[0][0] == "atlas"


@pytest.mark.parametrize("kind", FITTED)
def test_a_request_is_routed_the_same_alone_and_in_a_batch(kind: str, make: Any, ask: Any) -> None:
    """Over more requests than are looked at together; scores may differ in their last digit."""
    tests = ["distance", "quality", "margin", *(["entropy"] if kind == "composition" else [])]
    coverage = {"action": "second", "tests": tests, "false_alarms": 0.4}
    router = make(rows(specialists), kind, coverage=coverage)
    texts = [f"{what} {a} {b}" for what in ("add", "capital", "qq") for a in WORDS for b in PLACES]
    requests = [ask(f"{text} {end}") for end in ("", "zz") for text in texts]
    assert len(requests) > BLOCK
    together = router.route(requests)
    alone = [router.route([request])[0] for request in requests]
    for one, other in zip(together, alone, strict=True):
        assert [name for name, _ in one.scores] == [name for name, _ in other.scores]
        assert dict(one.scores) == pytest.approx(dict(other.scores), abs=2e-4)
        assert (one.fallback, one.panel) == (other.fallback, other.panel)
        assert one.evidence["experts"] == other.evidence["experts"]
    assert {decision.fallback for decision in together} == {None, "second"}


def test_no_requests_are_no_decisions(make: Any) -> None:
    for kind in FITTED:
        assert make(rows(specialists), kind).route([]) == []


@pytest.mark.parametrize("kind", FITTED)
def test_missing_rows_are_no_wrong_answers(kind: str, make: Any, ask: Any) -> None:
    """The best expert was asked only what it knows, and stays the best there."""
    outcomes = [
        o
        for number, o in enumerate(rows(specialists))
        if o.expert == "atlas" or (o.task == "sums" and number % 3)
    ]
    decision = make(outcomes, kind).route([ask("add seven six")])[0]
    assert decision.scores[0][0] == "adder"


@pytest.mark.parametrize("kind", FITTED)
def test_an_expert_that_was_asked_mostly_what_it_knows_is_not_the_best(
    kind: str, make: Any, ask: Any
) -> None:
    outcomes = rows(specialists)
    # A third one was asked a few questions, most of them sums.
    own = [replace(row, expert="newton") for row in outcomes if row.expert == "adder"]
    new = [*own[:6], *own[-2:]]
    # Not one for each question.
    few: dict[str, Any] = {"clusters": {"clusters": 8}, "ensemble": {"clusters": [4, 8]}}
    router = make([*outcomes, *new], kind, (*POOL, "newton"), **few.get(kind, {}))
    training_set = router.fitted.training_set
    # It would get 24 of 40 right; questions unlike those that it was asked count for little.
    assert 0.35 < training_set.means[training_set.experts.index("newton")] < 0.7
    decision = router.route([ask("capital of mali or spain")])[0]
    assert decision.scores[0][0] != "newton"


def test_few_questions_are_followed_without_a_check(make: Any, outcomes: Any) -> None:
    router = make(outcomes, "kernel", noise=0.1)
    assert router.fitted.routing_gain is None
    assert router.fitted.trust == 1.0


def test_trust_can_be_given(make: Any, ask: Any) -> None:
    router = make(rows(specialists), "knn", trust=0.0)
    first, second = router.route([ask("add one"), ask("capital")])
    assert first.scores == second.scores == (("adder", 0.6), ("atlas", 0.4))


class TestGuard:
    def test_a_foreign_text_goes_to_the_general_expert(self, make: Any, ask: Any) -> None:
        coverage = {"action": "general", "general": "atlas"}
        router = make(rows(specialists), "knn", coverage=coverage)
        home, foreign = router.route([ask("add one two"), ask("xyzzy qqq jjj")])
        assert home.fallback is None
        assert foreign.fallback == "general"
        assert foreign.scores[0][0] == "atlas"
        assert "unlike all training questions" in foreign.reason

    def test_abstaining_leaves_the_scores(self, make: Any, ask: Any) -> None:
        router = make(rows(specialists), "knn", coverage={"action": "abstain"})
        decision = router.route([ask("xyzzy qqq jjj")])[0]
        assert decision.fallback == "abstain"
        assert len(decision.scores) == 2

    def test_false_alarms_are_as_many_as_wanted(self, make: Any, ask: Any) -> None:
        outcomes = rows(specialists)
        router = make(outcomes, "knn", coverage=ALERT)
        limit = router.fitted.limits.distance
        training_set = router.fitted.training_set
        distances = held_out_distances(training_set)
        assert (distances > limit).mean() == pytest.approx(0.25, abs=0.1)
        # A question that was fitted on is closer than when it was held out.
        assert (
            router.fitted.coverage_distance.distance(training_set.vectors) < distances
        ).mean() > 0.9

    def test_who_is_as_far_as_the_limit_raises_no_alarm(self) -> None:
        limits = Thresholds(distance=5.0, entropy=2.0)
        noise = np.array([-1e-6, 0.0, 1e-6, 0.1])
        fired = alarms(limits, 5.0 + noise, np.ones((4, 2)), 2.0 + noise)
        assert [[alarm.test for alarm in one] for one in fired] == [
            [],
            [],
            [],
            ["distance", "entropy"],
        ]

    def test_what_everybody_failed_at_raises_an_alarm(self, make: Any, ask: Any) -> None:
        def only_sums(expert: str, task: str) -> float:
            return float((expert, task) == ("adder", "sums"))

        coverage = {"action": "abstain", "tests": ["quality"], "false_alarms": 0.05}
        router = make(rows(only_sums), "composition", coverage=coverage, trust=1.0)
        sums, cities = router.route([ask("add one two"), ask("capital of chad or peru")])
        assert sums.fallback is None
        assert cities.fallback == "abstain"
        assert "No expert did well" in cities.reason

    @pytest.mark.parametrize("test", ["margin", "entropy"])
    def test_an_unclear_choice_raises_an_alarm(self, test: str, make: Any, ask: Any) -> None:
        coverage = {"action": "second", "tests": [test], "false_alarms": 0.2}
        router = make(rows(specialists), "composition", coverage=coverage)
        limits = router.fitted.limits
        assert np.isfinite(getattr(limits, test))
        assert np.isinf(limits.distance)

    def test_the_general_expert_must_be_in_the_pool(self, make: Any) -> None:
        with pytest.raises(ConfigError, match="no expert is called `eve`"):
            make(rows(specialists), "knn", coverage={"action": "general", "general": "eve"})

    def test_general_needs_a_name(self, make: Any) -> None:
        with pytest.raises(ConfigError, match="needs the key `general`"):
            make(rows(specialists), "knn", coverage={"action": "general"})


class TestBadArtifacts:
    @pytest.fixture
    def stored(self, make: Any, tmp_path: Path) -> Path:
        path = tmp_path / "router.safetensors"
        make(rows(specialists), "kernel").save(path)
        return path

    def load(self, path: Path, encoder: Any, experts: Any = POOL, **keys: Any) -> Any:
        config = {"type": "kernel", "artifact": str(path), **keys}
        return build("auto", config, experts, lambda: encoder)

    def test_of_other_experts(self, stored: Path, encoder: Any) -> None:
        with pytest.raises(ConfigError, match="fitted for other experts: adder, atlas"):
            self.load(stored, encoder, ("eve",))

    def test_who_left_the_pool_is_not_chosen(self, stored: Path, encoder: Any, ask: Any) -> None:
        router = self.load(stored, encoder, ("atlas",))
        assert router.warnings[0].endswith("is not in this pool.")
        decision = router.route([ask("add one two")])[0]
        assert [expert for expert, _ in decision.scores] == ["atlas"]

    def test_of_fewer_experts(self, stored: Path, encoder: Any) -> None:
        warnings = self.load(stored, encoder, (*POOL, "newcomer")).warnings
        assert "newcomer is never chosen" in warnings[0]

    def test_of_another_encoder(self, stored: Path, encoder: Any) -> None:
        encoder.name = "syllables"
        with pytest.raises(ConfigError, match="vectors of letters, not of syllables"):
            self.load(stored, encoder)

    def test_of_another_type(self, stored: Path, encoder: Any) -> None:
        with pytest.raises(ConfigError, match="a router of type kernel"):
            self.load(stored, encoder, type="knn")

    def test_with_another_guard(self, stored: Path, encoder: Any) -> None:
        with pytest.raises(ConfigError, match="other keys under `coverage`"):
            self.load(stored, encoder, coverage={"action": "abstain"})

    @pytest.mark.parametrize("content", [b"", b"no router", None])
    def test_that_is_none(self, content: bytes | None, tmp_path: Path, encoder: Any) -> None:
        path = tmp_path / "bad.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(
            ConfigError, match=r"bad\.safetensors.*(cannot be read|no fitted router)"
        ):
            self.load(path, encoder)

    def test_neither_outcomes_nor_artifact(self, encoder: Any) -> None:
        with pytest.raises(ConfigError, match="`outcomes` and `artifact` is required"):
            build("auto", {"type": "knn"}, POOL, lambda: encoder)
