"""Small runs of FusionRoute's training, one stage at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from training_runs import silent

from experts.fused.training.models import load_model, load_tokenizer
from experts.fused.training.progress import Voice
from routers.fusion_route.data import load_data
from routers.fusion_route.model import FusionRouter
from routers.fusion_route.stage import Trainer
from routers.fusion_route.stage_losses import StageData
from routers.fusion_route.train import prepare_pairs, read_questions, run_folder
from routers.fusion_route.training_config import TrainingConfig


def changed(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    return config.model_validate({**config.model_dump(), **changes})


def weights(model: FusionRouter) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def make_trainer(config: TrainingConfig, stage: str, folder: Path) -> tuple[Trainer, FusionRouter]:
    model = FusionRouter(load_model("router", config.router), len(config.members))
    torch.nn.init.normal_(model.route_head.weight)
    tokenizer = load_tokenizer(config.router)
    data = load_data(config, tokenizer, 64, silent)
    voice = Voice(silent)
    run = run_folder(folder, config, data)
    prepared = StageData(data, read_questions(config, data, run, voice))
    if stage == "mixed":
        prepared = prepare_pairs(config, prepared, model, tokenizer, run, voice)
    return Trainer(config, stage, model, prepared, run, voice), model


def gradients(model: FusionRouter) -> dict[str, bool]:
    return {
        name: parameter.grad is not None and bool(parameter.grad.any())
        for name, parameter in model.named_parameters()
    }
