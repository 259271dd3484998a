"""The published task files are what the generator makes."""

from __future__ import annotations

import json

import pytest
import yaml
from repository import ROOT

from experts.zoo import data
from experts.zoo.skills.registry import SKILLS

TASKS = ROOT / "evals" / "tasks" / "zoo"
KEYS = {"name", "version", "description", "data", "scorer", "max_tokens", "skill"}


@pytest.mark.parametrize("name", SKILLS)
def test_files_match_the_generator(name: str) -> None:
    stored = (TASKS / "data" / f"{name}.jsonl").read_text(encoding="utf-8")
    assert stored == data.jsonl(SKILLS[name])
    assert (TASKS / f"{name}.yaml").read_text(encoding="utf-8") == data.task_file(SKILLS[name])


@pytest.mark.parametrize("name", SKILLS)
def test_task_definition(name: str) -> None:
    task = yaml.safe_load((TASKS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert KEYS <= set(task) <= KEYS | {"expert", "outside"}
    assert (TASKS / task["data"]).is_file()
    assert task["name"] == task["skill"] == name


@pytest.mark.parametrize("name", SKILLS)
def test_rows(name: str) -> None:
    text = (TASKS / "data" / f"{name}.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    questions = [row["question"] for row in rows]
    assert len(set(questions)) == len(questions)
    assert len({row["id"] for row in rows}) == len(rows)
    counts = {split: sum(row["split"] == split for row in rows) for split in ("probe", "test")}
    assert counts == data.OTHER_COUNTS.get(name, data.USUAL_COUNTS)
    assert all(row["answer"].strip() == row["answer"] != "" for row in rows)
