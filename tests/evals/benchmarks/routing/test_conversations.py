"""Conversations made of the zoo's questions, and the table of rules."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from repository import ROOT
from rich.console import Console

from evals.benchmarks.routing.conversations import (
    AFTER_SWITCH,
    FOLLOW_UP,
    KINDS,
    RULES,
    SECOND,
    SERVED,
    SINGLE,
    SWITCH,
    Shares,
    conversations,
    differing,
    measure,
)
from evals.benchmarks.routing.conversations_report import print_conversations
from evals.client.progress import Progress
from evals.tasks.task import Task, find_tasks
from experts.errors import ConfigError
from orchestrator.config.model import load_config

ZOO = ROOT / "examples" / "zoo.yaml"


def _few(*names: str) -> list[Task]:
    return [
        replace(task, rows=tuple(row for row in task.rows if row.split == "test")[:8])
        for task in find_tasks(names)
    ]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ('Name the German word for "tree".', '"tree"'),
        ("How much is 94 - 26?", "94 and 26"),
        ("Sort 98, 29, 30.", "98, 29, 30"),
        ("The clock shows 05:30. What does it show 15 minutes later?", "05:30 and 15"),
        ("Please name the continent of Zambia.", "Zambia"),
        ("Why?", ""),
    ],
)
def test_a_follow_up_says_what_differs(question: str, expected: str) -> None:
    assert differing(question) == expected


def test_each_question_makes_a_conversation_of_each_kind() -> None:
    experts = ("units", "translation")
    made = conversations(_few(*experts), experts)
    assert [sum(one.kind == kind for one in made) for kind in KINDS] == [8] * len(KINDS)
    lengths = {SINGLE: 1, FOLLOW_UP: 3, SECOND: 5, SWITCH: 3, AFTER_SWITCH: 5}
    assert all(len(one.turns) == lengths[one.kind] for one in made)
    assert made == conversations(_few(*experts), experts)
    request = next(one for one in made if one.kind == FOLLOW_UP).request()
    assert [m["role"] for m in request.body["messages"]] == ["user", "assistant", "user"]


def test_one_subject_cannot_change() -> None:
    with pytest.raises(ConfigError, match="two experts or more"):
        conversations(_few("geography"), ("geography", "translation"))


@pytest.mark.parametrize(
    ("follow", "switch", "code"), [(0.95, 0.95, 0), (0.90, 0.95, 1), (0.95, 0.90, 1)]
)
def test_only_the_rule_in_use_has_targets(follow: float, switch: float, code: int) -> None:
    shares = {SINGLE: 0.97, FOLLOW_UP: follow, SECOND: 1.0, SWITCH: switch, AFTER_SWITCH: 0.5}
    bad = dict.fromkeys(KINDS, 0.0)
    found = [Shares("knn", rule, shares if rule == SERVED else bad) for rule in RULES]
    console = Console(file=io.StringIO(), width=160)
    assert print_conversations(console, found) == code


@pytest.mark.slow
def test_the_zoo_follows_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "evals.benchmarks.routing.conversations.find_tasks",
        lambda names: _few("arithmetic", "geography", "units", "translation"),
    )
    found = measure(load_config(ZOO), (), Progress(Console(file=io.StringIO())))
    by_rule = {one.rule: one.shares for one in found if one.router == "knn"}
    assert by_rule[SERVED][SINGLE] == by_rule["last turn alone"][SINGLE]
    assert by_rule[SERVED][FOLLOW_UP] > by_rule["last turn alone"][FOLLOW_UP]
    assert by_rule[SERVED][SWITCH] > by_rule["with the turn before"][SWITCH]
