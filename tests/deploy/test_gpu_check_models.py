"""The random checkpoints that the GPU check measures."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deploy.gpu_check import random_models
from deploy.gpu_check.random_models import LARGE, MIXTURE, SMALL, TINY


def parameters(config: Any) -> float:
    """In billions."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return float(sum(parameter.numel() for parameter in model.parameters()) / 1e9)


def config_of(sizes: random_models.Sizes, kind: str) -> Any:
    return random_models.config_of(kind, getattr(sizes, kind), sizes.vocabulary)


def test_a_large_gpu_gets_models_of_1_to_3_billion_parameters() -> None:
    found = {kind: parameters(config_of(LARGE, kind)) for kind in ("member", "dense", "mixture")}

    assert found == pytest.approx({"member": 1.1, "dense": 3.0, "mixture": 1.5}, rel=0.1)
    assert parameters(config_of(SMALL, "dense")) < found["dense"] / 2


def test_the_size_follows_the_memory() -> None:
    assert random_models.sizes_for(79.6) is LARGE
    assert random_models.sizes_for(24.0) is SMALL
    assert random_models.sizes_for(None) is TINY


@pytest.mark.parametrize("kind", ["member", MIXTURE])
def test_a_checkpoint_has_a_text_for_every_token(tmp_path: Path, kind: str) -> None:
    vocabulary = 800
    config = random_models.config_of(kind, getattr(TINY, kind), vocabulary)
    written = random_models.write_model(tmp_path, config, 0, "cpu")

    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.decode([799]) == "~799~"
    assert tokenizer.encode("What is 2 + 2?") == AutoTokenizer.from_pretrained(
        random_models.ZOO / "arithmetic"
    ).encode("What is 2 + 2?")
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == vocabulary
    assert written == pytest.approx(1e9 * parameters(config))
