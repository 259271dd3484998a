"""A pool of scripted remote experts with compositions, its tasks, and the command's options."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripted_experts import ScriptedExperts, scripted_experts
from scripted_pool import SKILLS, pool_tree, write_task

from evals.runs.asking.asker import Retries
from evals.runs.settings import RunOptions


@pytest.fixture
async def experts() -> AsyncIterator[ScriptedExperts]:
    async with scripted_experts() as running:
        yield running


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[str, ...]:
    return tuple(str(write_task(tmp_path, skill)) for skill in SKILLS)


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
