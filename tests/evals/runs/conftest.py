"""A pool of scripted remote experts with compositions, its tasks, and the command's options."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripted_experts import ScriptedExperts, scripted_experts

from evals.runs.asking.asker import Retries
from evals.runs.settings import RunOptions

SKILLS = ("sums", "cities", "words")
QUESTIONS = 6


@pytest.fixture
async def experts() -> AsyncIterator[ScriptedExperts]:
    async with scripted_experts() as running:
        yield running


def write_task(folder: Path, skill: str, count: int = QUESTIONS) -> Path:
    rows = [
        {
            "id": f"{skill}-{n}",
            "split": "test",
            "question": f"{skill} {n}?",
            "answer": f"{skill} {n}",
        }
        for n in range(count)
    ]
    data = folder / f"{skill}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    spec = {
        "name": skill,
        "version": 1,
        "description": skill,
        "data": data.name,
        "scorer": "exact",
        "max_tokens": 16,
        "skill": skill,
    }
    path = folder / f"{skill}.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[str, ...]:
    return tuple(str(write_task(tmp_path, skill)) for skill in SKILLS)


def pool_tree(base_url: str, **changes: Any) -> dict[str, Any]:
    remote = {"type": "openai", "base_url": base_url, "price_usd_per_mtok": 2.0}
    return {
        "experts": {name: {**remote, "model": name} for name in SKILLS},
        "routers": {"fixed": {"type": "static", "expert": "sums"}, "drawn": {"type": "random"}},
        "compositions": {
            "pool/auto": {"router": "fixed"},
            "pool/vote": {"router": "drawn", "aggregator": {"type": "vote", "answer": "text"}},
            "pool/cascade": {"router": "drawn", "aggregator": {"type": "cascade", "accept": 0.5}},
        },
        **changes,
    }


@pytest.fixture
def pool(experts: ScriptedExperts, tmp_path: Path) -> Path:
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(pool_tree(experts.base_url)), encoding="utf-8")
    return path


@pytest.fixture
def options(tmp_path: Path, tasks: tuple[str, ...]) -> Callable[..., RunOptions]:
    def make(**changes: Any) -> RunOptions:
        given = {
            "tasks": tasks,
            "models": (),
            "out": tmp_path / "run",
            "cache": tmp_path / "answers.sqlite",
            "retries": Retries(2, 0.0),
        }
        return RunOptions(**{**given, **changes})

    return make
