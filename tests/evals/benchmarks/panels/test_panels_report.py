"""What is said of panels: every skill beside the best single expert, a cascade beside its price."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from evals.benchmarks.panels.means import best_vote, same_answers, skills
from evals.benchmarks.panels.panels_report import Targets, print_pool, verdicts, write_json
from evals.benchmarks.routing.served import Asked, Pool

TASKS = ("sums", "cities")


def asked(
    price: float, tokens: float = 10, calls: float = 1, text: str = "", **right: float
) -> Asked:
    """A share of right answers for each task."""
    scores = {task: np.array([right[task]] * 4) for task in TASKS}
    return Asked(
        scores,
        dict.fromkeys(TASKS, 0.0),
        {task: np.full(4, tokens) for task in TASKS},
        {task: np.full(4, price) for task in TASKS},
        {task: np.full(4, calls) for task in TASKS},
        {task: (text,) * 4 for task in TASKS} if text else {},
    )


def pool(**compositions: Asked) -> Pool:
    experts = {
        "sums": asked(1, sums=0.9, cities=0.0),
        "cities": asked(1, sums=0.1, cities=0.8),
        "strong": asked(7, sums=0.85, cities=0.8),
    }
    named = {f"pool/{name}": one for name, one in compositions.items()}
    return Pool(TASKS, frozenset(TASKS), frozenset(), experts, named)


def test_no_skill_may_be_below_its_best_expert() -> None:
    good, worse = verdicts(pool(vote=asked(3, sums=0.9, cities=0.7)), Targets())
    assert good.met
    assert not worse.met
    assert "cities 80.0 %" in worse.text


@pytest.mark.parametrize(
    ("one", "met"),
    [
        (asked(3, sums=0.9, cities=0.8), True),
        (asked(4, sums=0.9, cities=0.8), False),
        (asked(3, sums=0.8, cities=0.8), False),
    ],
)
def test_a_cascade_is_measured_by_the_strongest(one: Asked, met: bool) -> None:
    (verdict,) = verdicts(pool(cascade=one), Targets(beside="strong"))
    assert verdict.met is met
    assert "always asking strong, which has 82.5 %" in verdict.text


def test_what_is_printed_and_written(tmp_path: Path) -> None:
    found = pool(debate=asked(2, tokens=33, sums=0.9, cities=0.8))
    console = Console(width=140, record=True, file=io.StringIO())
    assert print_pool(console, found, Targets()) == 0
    said = console.export_text()
    assert "pool/debate" in said
    assert "33" in said
    write_json(tmp_path / "p.json", found, Targets())
    tree = json.loads((tmp_path / "p.json").read_text())
    assert tree["models"]["pool/debate"]["tokens"] == 33
    assert tree["models"]["strong"]["usd_per_thousand"] == 7000


def test_a_panel_is_held_against_another_one() -> None:
    found = pool(all=asked(6, calls=6, sums=0.9, cities=0.8), three=asked(3, sums=0.9, cities=0.8))
    (verdict,) = verdicts(found, Targets(beside="pool/all", at_most=0.6))
    assert verdict.met
    assert "50 % of the price" in verdict.text
    assert "with 1.00 calls for 6.00" in verdict.text


@pytest.mark.parametrize(("least", "met"), [(0.02, True), (0.03, False)])
def test_a_gain_is_over_the_best_expert_of_all(least: float, met: bool) -> None:
    found = pool(vote=asked(3, sums=0.9, cities=0.8))
    (verdict,) = verdicts(found, Targets(gain=least))
    assert verdict.met is met
    assert "2.5 points" in verdict.text
    assert "strong" in verdict.text


def test_where_no_task_is_an_experts_own_all_that_are_not_foreign_count() -> None:
    found = replace(pool(), owned=frozenset(), foreign=frozenset({"cities"}))
    assert skills(found) == ("sums",)


def test_what_a_vote_brings_for_no_more_tokens() -> None:
    votes = {
        "two": asked(1, tokens=20, sums=0.7, cities=0.7),
        "six": asked(1, tokens=60, sums=0.9, cities=0.9),
    }
    debate = asked(1, tokens=50, sums=0.8, cities=0.8)
    found = replace(pool(debate=debate, **votes), votes=frozenset({"pool/two", "pool/six"}))
    assert best_vote(found, 50) == "pool/two"
    assert best_vote(found, 60) == "pool/six"
    assert best_vote(found, 19) is None
    console = Console(width=160, record=True, file=io.StringIO())
    print_pool(console, found, Targets())
    assert "70.0 (pool/two)" in console.export_text()


def test_one_panel_under_two_names_is_noticed() -> None:
    same = asked(1, calls=3, text="42", sums=0.9, cities=0.8)
    found = pool(vote=same, debate=same, alone=asked(1, text="42", sums=0.9, cities=0.8))
    assert same_answers(found) == [["pool/vote", "pool/debate"]]
