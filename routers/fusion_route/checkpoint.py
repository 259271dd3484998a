"""A run's folder: the state that a stopped run goes on from, and its metrics."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experts.errors import ConfigError
from experts.vllm.composite.fingerprint import fingerprint
from routers.fusion_route.config import TrainingConfig

VERSION = 1
STAGES = ("sft", "mixed")


@dataclass(slots=True)
class State:
    """Where a run is; the models and the optimiser hold the rest."""

    stage: str = "sft"
    step: int = 0
    """Steps of the stage that are done."""
    seconds: float = 0.0
    """Wall-clock time of all the steps so far, and of the experts' reading."""
    cpu_seconds: float = 0.0
    """Processor time, over all threads, of the same."""
    reference: Tensor | None = None
    """[pairs, 2]: the reference's log-probabilities of the chosen and the rejected answers."""


class Clock:
    """Adds the time until `stop` to a state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def stop(self) -> None:
        """Count the time since the last call, or since the beginning."""
        wall, cpu = time.monotonic(), time.process_time()
        self._state.seconds += wall - self._wall
        self._state.cpu_seconds += cpu - self._cpu
        self._wall, self._cpu = wall, cpu


class RunFolder:
    """The files of one run."""

    def __init__(
        self, folder: Path, config: TrainingConfig, data: str, cache: Path | None = None
    ) -> None:
        """Use a folder, made where it is missing; `data` is a hash of what is trained on."""
        folder.mkdir(parents=True, exist_ok=True)
        self.cache = cache or folder / "cache"
        self.mistakes = folder / "mistakes.jsonl"
        self._checkpoint = folder / "checkpoint.pt"
        self._metrics = folder / "metrics.jsonl"
        # Files and models are compared by what is in them: they may be moved.
        paths = ("members", "router", "questions", "preferences")
        trained = {key: value for key, value in config.trained().items() if key not in paths}
        members = [[name, fingerprint(path)] for name, path in config.members.items()]
        router = fingerprint(config.router)
        self._identity = {**trained, "members": members, "router": router, "data": data}

    def save(self, state: State, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write everything that a resumed run needs; a kill leaves the old file whole."""
        content = {
            "version": VERSION,
            "identity": json.dumps(self._identity, sort_keys=True),
            "stage": state.stage,
            "step": state.step,
            "seconds": state.seconds,
            "cpu_seconds": state.cpu_seconds,
            "reference": state.reference,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "rng": torch.get_rng_state(),
        }
        unfinished = self._checkpoint.with_suffix(f".{os.getpid()}.tmp")
        torch.save(content, unfinished)
        unfinished.replace(self._checkpoint)

    def load(self) -> dict[str, Any] | None:
        """Read the last checkpoint, if there is one.

        Raises ConfigError where the folder belongs to a run with other settings or data.
        """
        if not self._checkpoint.exists():
            return None
        content: dict[str, Any] = torch.load(self._checkpoint, weights_only=True)
        known = json.loads(content["identity"]) if content.get("version") == VERSION else {}
        changed = [key for key in self._identity if known.get(key) != self._identity[key]]
        if changed:
            raise ConfigError(
                f"{self._checkpoint} belongs to a run with other settings ({', '.join(changed)}).",
                hint="Restore them, choose another folder, or delete that file.",
            )
        return content

    def forget(self) -> None:
        """Drop what a run left that lost its checkpoint, except for the experts' readings."""
        self._metrics.unlink(missing_ok=True)
        self.mistakes.unlink(missing_ok=True)

    def forget_metrics_after(self, stage: str, step: int) -> None:
        """Drop the lines that a resumed run will write again."""
        kept = [
            line
            for line in self.metrics()
            if (STAGES.index(line["stage"]), line["step"]) <= (STAGES.index(stage), step)
        ]
        self._metrics.write_text("".join(map(_line, kept)), encoding="utf-8")

    def log(self, metrics: dict[str, Any]) -> None:
        """Append a line of metrics."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(_line(metrics))

    def metrics(self) -> list[dict[str, Any]]:
        """Read all the lines; one that a kill cut off is left out."""
        if not self._metrics.exists():
            return []
        lines = self._metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


def _line(metrics: dict[str, Any]) -> str:
    return json.dumps(metrics) + "\n"
