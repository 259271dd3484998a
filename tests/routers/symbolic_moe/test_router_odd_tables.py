"""Recruiting by tables that tell next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experts.types import Request
from routers.outcomes import Outcome, OutcomeTable
from routers.registry import build as build_router

MODES = ["best", "paper", "code"]
EXPERTS = ("adder", "atlas", "poet")


@pytest.fixture
def make(tmp_path: Path, encoder: Any) -> Any:
    """A router over scores by question and expert."""

    def make(scores: dict[str, dict[str, float]], **keys: Any) -> Any:
        path = tmp_path / "outcomes.parquet"
        OutcomeTable.from_rows(
            [
                Outcome(text, text.split()[0], text, expert, "1", score)
                for text, own in scores.items()
                for expert, score in own.items()
            ]
        ).write(path)
        settings = {"type": "symbolic_moe", "outcomes": str(path), **keys}
        if keys.get("mode", "best") == "best":
            settings["least_share"] = 0
        return build_router("s", settings, EXPERTS, lambda: encoder)

    return make


def asked(text: str) -> list[Request]:
    return [
        Request(f"r{n}", "chat/completions", {"messages": [{"role": "user", "content": text}]})
        for n in range(12)
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_profile_of_one_question(make: Any, mode: str) -> None:
    router = make({"add one two": {"adder": 1.0, "atlas": 0.0, "poet": 0.0}}, mode=mode)
    for decision in router.route(asked("capital of peru")):
        assert decision.scores[0][0] == "adder"
        assert decision.panel[0] == "adder"
        assert all(np.isfinite(one["error"]) for one in decision.evidence["recruits"])


@pytest.mark.parametrize("mode", MODES)
def test_where_all_are_equal_all_are_recruited_in_the_order_of_the_table(
    make: Any, mode: str
) -> None:
    scores = dict.fromkeys(EXPERTS, 1.0)
    router = make({"add one two": scores, "capital of chad": scores}, mode=mode, experts=2)
    panels = [decision.panel for decision in router.route(asked("add three four"))]
    assert {len(panel) for panel in panels} == {2}
    if mode == "best":
        assert set(panels) == {("adder", "atlas")}
    else:
        assert len(set(panels)) > 1


@pytest.mark.parametrize("mode", MODES)
def test_an_expert_that_was_never_asked_is_as_good_as_the_table_can_tell(
    make: Any, mode: str
) -> None:
    router = make({"add one two": {"adder": 1.0, "atlas": 0.0}}, mode=mode, experts=3)
    for decision in router.route(asked("add three four")):
        assert len(set(decision.panel)) == len(decision.panel)
        assert "poet" not in decision.panel


@pytest.mark.parametrize("mode", MODES)
def test_more_recruits_than_experts_are_all_of_them(make: Any, mode: str) -> None:
    scores = {"adder": 1.0, "atlas": 0.5, "poet": 0.5}
    router = make({"add one two": scores, "add one": scores}, mode=mode, experts=64)
    for decision in router.route(asked("add three four")):
        assert sorted(decision.panel) == sorted(EXPERTS)


def test_with_replacement_a_panel_may_be_larger_than_the_pool(make: Any) -> None:
    keys = {"mode": "paper", "distinct": False, "experts": 64}
    router = make({"add one two": {"adder": 1.0, "atlas": 0.5, "poet": 0.0}}, **keys)
    for decision in router.route(asked("add three four")):
        assert len(decision.panel) == 64
