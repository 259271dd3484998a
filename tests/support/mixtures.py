"""Mixtures of Thoughts over the zoo's experts, with random interaction layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from repository import ROOT
from transformers.utils import logging

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.save import save
from aggregators.mixture_of_thoughts.train import build
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.fused.training.models import load_model, load_tokenizer, number_tokenizers

ZOO = ROOT / "experts" / "zoo" / "weights"
DIMENSION = 4
"""Of the embeddings that the query router would see."""
logging.disable_progress_bar()


def write_mixture(
    folder: Path, members: Sequence[str], gate: float, **shape: Any
) -> tuple[TrainingConfig, MixtureOfThoughts]:
    """Write a mixture whose layers are heard with `gate`; `shape` are keys of a run."""
    paths = {name: ZOO / name for name in members}
    given = {"members": paths, "questions": ["none.jsonl"], "steps": 1, **shape}
    config = TrainingConfig.model_validate(given)
    torch.manual_seed(0)
    models = {name: load_model(name, path) for name, path in paths.items()}
    numbers = number_tokenizers(map(load_tokenizer, paths.values()))
    mixture = build(config, models, DIMENSION, numbers).eval()
    for name, parameter in mixture.interactions.named_parameters():
        if name.endswith("gate"):
            parameter.data.fill_(gate)
    save(mixture, config, "none", folder, {})
    return config, mixture
