"""Tiny models with the zoo's shared tokenizer, and a run that trains on them in a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_models import write_jsonl, write_models

from routers.fusion_route.training_config import TrainingConfig


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a router and two members with random weights."""
    return write_models(tmp_path_factory.mktemp("tiny"))


Write = Callable[[Path, Sequence[Mapping[str, Any]]], Path]


@pytest.fixture(scope="session")
def jsonl() -> Write:
    """A function that writes rows as JSON lines."""
    return write_jsonl


@pytest.fixture
def tiny_run(tiny: dict[str, Path], tmp_path: Path, jsonl: Write) -> TrainingConfig:
    """A run of both stages over a dozen questions."""
    asked = [f"What is {number} + 1?" for number in range(12)]
    questions = [{"prompt": text, "answer": str(i + 1)} for i, text in enumerate(asked)]
    pairs = [
        {"prompt": text, "chosen": f"{i + 1} ; {i}", "rejected": str(i)}
        for i, text in enumerate(asked)
    ]
    return TrainingConfig.model_validate(
        {
            "members": {"left": tiny["left"], "right": tiny["right"]},
            "router": tiny["router"],
            "questions": [jsonl(tmp_path / "questions.jsonl", questions)],
            "preferences": [jsonl(tmp_path / "pairs.jsonl", pairs)],
            "sft": {"steps": 6, "batch": 4, "learning_rate": 0.01},
            "mixed": {"steps": 5, "batch": 2, "pairs": 3, "learning_rate": 0.01},
            "threads": 1,
            "log_steps": 2,
            "checkpoint_s": 1e-6,
        }
    )
