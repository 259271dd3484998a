"""A mixture of zoo experts with two tokenizers: random interaction layers with open gates."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from aggregators.mixture_of_thoughts.config import TrainingConfig
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.save import save
from aggregators.mixture_of_thoughts.train import build
from experts.training.models import load_model, load_tokenizer, number_tokenizers

ZOO = Path(__file__).parents[3] / "experts" / "zoo" / "weights"
MEMBERS = ("arithmetic", "translation", "geography")
"""The second has a tokenizer of its own."""
logging.disable_progress_bar()


def make(folder: Path, form: str) -> tuple[TrainingConfig, MixtureOfThoughts]:
    config = TrainingConfig.model_validate(
        {
            "members": {name: ZOO / name for name in MEMBERS},
            "questions": ["none.jsonl"],
            "stacks": 3,
            "active": 3,
            "shared_width": 32,
            "attention": form,
            "steps": 1,
        }
    )
    torch.manual_seed(0)
    models = {name: load_model(name, path) for name, path in config.members.items()}
    numbers = number_tokenizers(load_tokenizer(path) for path in config.members.values())
    mixture = build(config, models, 4, numbers).eval()
    for name, parameter in mixture.interactions.named_parameters():
        if name.endswith("gate"):
            parameter.data.fill_(0.8)
    save(mixture, config, "none", folder, {})
    return config, mixture


@pytest.fixture(scope="session", params=["positionwise", "sequence"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainingConfig, MixtureOfThoughts]:
    folder = tmp_path_factory.mktemp("mixture") / request.param
    return folder, *make(folder, request.param)
