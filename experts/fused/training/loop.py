"""The steps of one stage of a training: schedule, progress, metrics, checkpoints."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn

from experts.errors import ConfigError
from experts.fused.training.progress import Voice
from experts.fused.training.run import Clock, RunFolder, State
from experts.fused.training.schedule import learning_rate

Loss = Callable[[int], tuple[Tensor, Mapping[str, float]]]
"""Of a step, counted from 0: what is to be lowered, and what else was measured."""
SHARE = "share"
"""Key of an optimiser's group: its learning rate, as share of the stage's."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How long a stage lasts and how fast it learns."""

    name: str
    steps: int
    learning_rate: float
    """The peak, after the warm-up."""
    warmup: float
    """Share of the steps until the peak."""
    final: float
    """The last learning rate, as share of the peak."""
    clip: float
    """Largest norm of the gradient."""
    log_steps: int
    checkpoint_s: float

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return learning_rate(step, self.steps, self.learning_rate, self.warmup, self.final)


@dataclass(slots=True)
class Loop:
    """Takes a stage's remaining steps."""

    stage: Stage
    model: nn.Module
    optimizer: torch.optim.Optimizer
    run: RunFolder
    voice: Voice
    parts: tuple[nn.Module, ...] = ()
    """Gradients of each are clipped by themselves; by default the model is one part."""

    def go(self, state: State, loss: Loss) -> None:
        """Go on after `state.step`. Raises ConfigError for a loss that is not finite."""
        stage = self.stage
        clock = Clock(state)
        seen: defaultdict[str, list[float]] = defaultdict(list)
        saved = time.monotonic()
        self.model.train()
        for step in range(state.step, stage.steps):
            for name, value in self._take(step, loss).items():
                seen[name].append(value)
            clock.stop()
            state.step = step + 1
            last = state.step == stage.steps
            if state.step % stage.log_steps == 0 or last:
                # Of those steps that measured it.
                self._log(state, {name: fmean(values) for name, values in seen.items()})
                seen.clear()
            # Between two lines of metrics a resumed run would not know their beginning.
            due = time.monotonic() - saved >= stage.checkpoint_s
            if last or (due and not seen):
                self.run.save(state, self.model, self.optimizer)
                saved = time.monotonic()
            text = f"{stage.name}: step {state.step} of {stage.steps}"
            self.voice.say(text, state.step, stage.steps)

    def _take(self, step: int, loss: Loss) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.stage.rate(step) * group[SHARE]
        found, measured = loss(step)
        if not found.isfinite():
            raise ConfigError(
                f"The loss of step {step + 1} of the {self.stage.name} stage is {found.item()}.",
                hint="Lower the stage's `learning_rate`, or raise its `warmup`.",
            )
        torch.autograd.backward([found])
        for part in self.parts or (self.model,):
            nn.utils.clip_grad_norm_(part.parameters(), self.stage.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": found.item(), **measured}

    def _log(self, state: State, means: Mapping[str, float]) -> None:
        measured = {name: round(value, 5) for name, value in means.items()}
        times = {"seconds": round(state.seconds, 1), "cpu_seconds": round(state.cpu_seconds, 1)}
        rate = self.stage.rate(state.step - 1)
        place = {"stage": self.stage.name, "step": state.step, "learning_rate": rate}
        self.run.log({**place, **times, **measured})
        numbers = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
        step = f"{self.stage.name}: step {state.step} of {self.stage.steps}"
        self.voice.say(f"{step}, {numbers}", state.step, self.stage.steps)
