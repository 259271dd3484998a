"""A run's folder: the state from which a stopped run is resumed, and its metrics."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experts.errors import ConfigError

VERSION = 3


@dataclass(slots=True)
class State:
    """How far a run has got; the models and the optimiser hold the rest."""

    stage: str
    step: int = 0
    """Steps of the stage that are done."""
    seconds: float = 0.0
    """Wall-clock time of all the steps so far, and of what prepared them."""
    cpu_seconds: float = 0.0
    """Processor time, over all threads, of the same."""
    kept: dict[str, Tensor] = field(default_factory=dict)
    """What else the stage needs when it goes on."""


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
        self,
        folder: Path,
        stages: Sequence[str],
        identity: Mapping[str, Any],
        cache: Path | None = None,
    ) -> None:
        """Use a folder, made where it is missing.

        `stages` are the run's, in their order; `identity` is all that decides its result, as
        plain JSON. In `cache`, by default a part of the folder, lies what other runs may use.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.cache = cache or folder / "cache"
        self._stages = tuple(stages)
        self._identity = dict(identity)
        self._checkpoint = folder / "checkpoint.pt"
        self._metrics = folder / "metrics.jsonl"

    def save(self, state: State, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write all that a resumed run needs; if the run is killed, the old file stays whole."""
        content = {
            "version": VERSION,
            "identity": json.dumps(self._identity, sort_keys=True),
            "stage": state.stage,
            "step": state.step,
            "seconds": state.seconds,
            "cpu_seconds": state.cpu_seconds,
            "kept": state.kept,
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

    def resume(self, model: torch.nn.Module) -> tuple[State, dict[str, Any] | None]:
        """Bring `model` and torch's random numbers to the last checkpoint.

        Returns where the run is, and the optimiser's state; None where it begins. Metrics that
        the run will write again are dropped. Raises ConfigError as `load` does.
        """
        saved = self.load()
        if saved is None:
            self._metrics.unlink(missing_ok=True)
            return State(self._stages[0]), None
        model.load_state_dict(saved["model"])
        torch.set_rng_state(saved["rng"])
        state = State(**{one.name: saved[one.name] for one in fields(State)})
        self._forget_metrics_after(state)
        return state, saved["optimizer"]

    def _forget_metrics_after(self, state: State) -> None:
        order = self._stages.index
        kept = [
            line
            for line in self.metrics()
            if (order(line["stage"]), line["step"]) <= (order(state.stage), state.step)
        ]
        self._metrics.write_text("".join(map(_line, kept)), encoding="utf-8")

    def log(self, metrics: dict[str, Any]) -> None:
        """Append a line of metrics."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(_line(metrics))

    def metrics(self) -> list[dict[str, Any]]:
        """Read all lines; one that is cut off is left out."""
        if not self._metrics.exists():
            return []
        lines = self._metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


def _line(metrics: dict[str, Any]) -> str:
    return json.dumps(metrics) + "\n"
