"""What a step is given, and how it says that it cannot run here."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deploy.gpu_check.step_process import ROOT

ZOO = ROOT / "experts" / "zoo" / "weights"


@dataclass(frozen=True, slots=True)
class Rig:
    """Where a step runs."""

    cuda: bool
    work: Path
    """For checkpoints and folders; steps share it."""
    argument: str

    @property
    def device(self) -> str:
        """As PyTorch calls it."""
        return "cuda" if self.cuda else "cpu"


@dataclass(frozen=True, slots=True)
class Found:
    """What a step that went well has to say."""

    summary: str
    figures: Mapping[str, Any]


class Skip(Exception):
    """The step cannot run here; the message says why."""


class Failure(Exception):
    """What was checked is wrong; the message says what."""

    def __init__(self, why: str, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(why)
        self.figures = figures or {}


class StepModule(Protocol):
    """A module of `steps/`."""

    def run(self, rig: Rig) -> Found | Awaitable[Found]:
        """Do the step's work. Raises Skip, Failure, or whatever breaks."""
        ...
