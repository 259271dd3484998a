"""Tasks whose answers are longer than a context are told before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from evals.runs.questions import Asked
from evals.runs.room import no_room
from evals.tasks.task import Task
from experts.types import Request
from orchestrator.config.model import Config, load_config


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    tree: dict[str, Any] = {
        "version": 1,
        "experts": {
            "short": {"type": "vllm", "model": "a/short"},
            "role": {"type": "vllm", "same_as": "short", "system": "Be brief."},
            "long": {"type": "vllm", "model": "a/long", "engine_args": {"max_model_len": 4096}},
            "far": {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "far"},
        },
        "slots": {"engine_args": {"max_model_len": 1024}},
    }
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_config(path)


def asked(make_task: Any, tokens: int) -> list[Asked]:
    task: Task = make_task("essays", 1)
    request = Request("r", "chat/completions", {"max_tokens": tokens})
    return [Asked(task, row, 0, request) for row in task.rows]


def test_who_has_no_room_is_named(settings: Config, make_task: Any) -> None:
    (warning,) = no_room(settings, asked(make_task, 1280), ())
    assert warning.startswith("essays asks for up to 1,280 tokens, and role, short can hold 1,024")
    assert "extends: essays" in warning


def test_where_there_is_room_nothing_is_said(settings: Config, make_task: Any) -> None:
    assert no_room(settings, asked(make_task, 1000), ()) == []
    assert no_room(settings, asked(make_task, 1280), ("long", "far")) == []
    assert no_room(settings, asked(make_task, 5000), ("far",)) == []
    (warning,) = no_room(settings, asked(make_task, 5000), ("long",))
    assert "long can hold 4,096" in warning
