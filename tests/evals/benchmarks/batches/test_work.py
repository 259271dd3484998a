"""The file of the batch benchmark, and what the engines are asked beside it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from evals.benchmarks.batches.work import AUTO, PANEL, ROOM, calls_of, make_work
from evals.tasks.task import load_tasks
from orchestrator.config.model import load_config

ZOO = load_config(Path("examples/zoo.yaml"))


def test_every_expert_a_router_and_a_panel_are_asked_as_often() -> None:
    work = make_work(ZOO, load_tasks(), 110, 0)
    lines = [json.loads(line) for line in work.file().splitlines()]
    assert Counter(line["body"]["model"] for line in lines) == Counter(
        {name: 10 for name in (*ZOO.experts, AUTO, PANEL)}
    )
    assert len({line["custom_id"] for line in lines}) == 110
    sizes = [spec.memory_gb for spec in work.config.hosted().values() if spec.base is None]
    assert sum(size or 0.0 for size in sizes) > work.config.slots.memory_gb > ROOM
    assert make_work(ZOO, load_tasks(), 110, 0).file() == work.file()


def test_the_engines_are_asked_what_each_answer_tells() -> None:
    work = make_work(ZOO, load_tasks(), 11, 0)
    single = next(one for one in work.questions if one.model == "duo")
    panel = next(one for one in work.questions if one.model == PANEL)
    told = {
        single.id: {"expert": "duo"},
        panel.id: {"expert": "duo", "calls": {"duo": 1, "units": 2}},
    }
    answers = [
        {"custom_id": name, "response": {"body": {"coterie": one}}} for name, one in told.items()
    ]
    found = calls_of(work.questions, answers)
    assert {expert: [one.text for one in asked] for expert, asked in found.items()} == {
        "duo": [single.text, panel.text],
        "units": [panel.text] * 2,
    }
    assert {one.model for one in found["units"]} == {"units"}
