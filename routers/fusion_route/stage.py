"""One stage of FusionRoute's training: its order of the data, its steps, its checkpoints."""

from typing import Any

import torch
from torch import Tensor

from experts.fused.training.batches import Order
from experts.fused.training.loop import SHARE, Loop, Stage
from experts.fused.training.progress import Voice
from experts.fused.training.run import Clock, RunFolder, State
from routers.fusion_route.model import FusionRouter
from routers.fusion_route.stage_losses import StageData, StageLosses
from routers.fusion_route.training_config import StageConfig, TrainingConfig

REFERENCE = "reference"


class Trainer:
    """The steps of one stage of a run."""

    def __init__(
        self,
        config: TrainingConfig,
        stage: str,
        model: FusionRouter,
        prepared: StageData,
        run: RunFolder,
        voice: Voice,
    ) -> None:
        self._config = config
        self._name = stage
        self._stage: StageConfig = getattr(config, stage)
        self._model = model
        self.losses = StageLosses(config, model, prepared, voice)
        self._run = run
        self._voice = voice
        settings = config.optimizer
        self._optimizer = torch.optim.AdamW(
            [
                {"params": list(model.router.parameters()), SHARE: 1.0},
                {"params": list(model.route_head.parameters()), SHARE: settings.head_rate},
            ],
            lr=self._stage.learning_rate,
            weight_decay=settings.weight_decay,
            betas=(settings.beta1, settings.beta2),
            fused=True,
        )
        seed = f"{stage} {config.seed}"
        data, window = prepared.data, config.sort_window
        lengths = [len(row.tokens) for row in data.questions]
        self._order = Order(lengths, self._stage.batch, window, f"questions {seed}")
        self._pair_order: Order | None = None
        if self._stage.pairs and data.chosen:
            rows = zip(data.chosen, data.rejected, strict=True)
            sums = [len(chosen.tokens) + len(rejected.tokens) for chosen, rejected in rows]
            self._pair_order = Order(sums, self._stage.pairs, window, f"pairs {seed}")

    def train(self, state: State, optimizer: dict[str, Any] | None) -> None:
        """Take the stage's remaining steps, with an optimiser's state where one was saved."""
        if optimizer is not None:
            self._optimizer.load_state_dict(optimizer)
        else:
            state.stage, state.step, state.kept = self._name, 0, {}
        self.losses.reference = state.kept.get(REFERENCE)
        if self._pair_order is not None and self.losses.reference is None:
            clock = Clock(state)
            state.kept[REFERENCE] = self.losses.measure_reference()
            clock.stop()
        config, stage = self._config, self._stage
        lasting = Stage(
            name=self._name,
            steps=stage.steps,
            learning_rate=stage.learning_rate,
            warmup=stage.warmup,
            final=stage.final,
            clip=config.optimizer.clip,
            log_steps=config.log_steps,
            checkpoint_s=config.checkpoint_s,
        )
        loop = Loop(lasting, self._model, self._optimizer, self._run, self._voice)
        loop.go(state, self.loss)

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of a step, counted from 0, on questions and pairs together."""
        loss, measured = self.losses.on_questions(self._order.rows(step))
        if self._pair_order is None:
            return loss, measured
        pairs = self._pair_order.rows(step)
        preference, more = self.losses.on_pairs(pairs)
        weight = self._config.preference.weight * len(pairs)
        both = (loss * self._stage.batch + preference * weight) / (self._stage.batch + weight)
        return both, measured | more
