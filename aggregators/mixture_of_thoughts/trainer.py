"""The steps of a Mixture of Thoughts' training: its order of the data, its optimiser, its loop."""

import torch
from torch.nn import Parameter

from aggregators.mixture_of_thoughts.data import TrainingData
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.step_loss import Precomputed, StepLoss
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.fused.training.batches import Order
from experts.fused.training.loop import SHARE, Loop, Stage
from experts.fused.training.progress import Voice
from experts.fused.training.run import RunFolder, State

STAGE = "train"


class Trainer:
    """The steps of a run."""

    def __init__(
        self,
        config: TrainingConfig,
        model: MixtureOfThoughts,
        data: TrainingData,
        precomputed: Precomputed,
        run: RunFolder,
        voice: Voice,
    ) -> None:
        self._config = config
        self._model = model
        self._loss = StepLoss(config, model, data, precomputed)
        self._run = run
        self._voice = voice
        self._optimizer = torch.optim.AdamW(
            [
                {"params": _named(model, gates=False), SHARE: 1.0},
                {"params": _named(model, gates=True), SHARE: config.gate_rate},
                {"params": list(model.router.parameters()), SHARE: config.router_rate},
            ],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        lengths = [len(row.tokens) for row in data.rows]
        self._order = Order(lengths, config.batch, config.sort_window, f"thoughts {config.seed}")

    def train(self, state: State, optimizer: dict[str, object] | None) -> None:
        """Take the remaining steps."""
        if optimizer is not None:
            self._optimizer.load_state_dict(optimizer)
        config = self._config
        stage = Stage(
            name=STAGE,
            steps=config.steps,
            learning_rate=config.learning_rate,
            warmup=config.warmup,
            final=config.final,
            clip=config.clip,
            log_steps=config.log_steps,
            checkpoint_s=config.checkpoint_s,
        )
        # An uncertain router has large gradients; clipped together, they would stop the layers.
        parts = (self._model.interactions, self._model.router)
        loop = Loop(stage, self._model, self._optimizer, self._run, self._voice, parts)
        loop.go(state, lambda step: self._loss(self._order.rows(step), step / config.steps))


def _named(model: MixtureOfThoughts, gates: bool) -> list[Parameter]:
    """The gates of the interaction layers, or everything else in them."""
    return [
        parameter
        for name, parameter in model.interactions.named_parameters()
        if name.endswith("_gate") == gates
    ]
