"""Tiny models with the zoo's shared tokenizer, and a run that trains on them in a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config
from transformers.utils import logging

from experts.zoo.tokenizer import SHARED, build
from routers.fusion_route.config import TrainingConfig

SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
}
logging.disable_progress_bar()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models gain nothing from a second thread, and on a busy machine wait for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a router and two members with random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = build(SHARED)
    kinds = {"router": LlamaConfig, "left": Qwen3Config, "right": LlamaConfig}
    for seed, (name, kind) in enumerate(kinds.items()):
        torch.manual_seed(seed)
        config = kind(vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **SHAPE)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {name: folder / name for name in kinds}


Write = Callable[[Path, Sequence[dict[str, Any]]], Path]


@pytest.fixture(scope="session")
def jsonl() -> Write:
    """A function that writes rows as JSON lines."""

    def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


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
