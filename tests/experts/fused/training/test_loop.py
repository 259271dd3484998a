"""The steps of a stage: gradients of apart parts, and averages of what some steps measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from training_runs import curve, silent

from experts.fused.training.loop import SHARE, Loop, Stage
from experts.fused.training.progress import Voice
from experts.fused.training.run import RunFolder, State

STAGE = Stage("only", 2, 1.0, 0.0, 1.0, clip=1.0, log_steps=2, checkpoint_s=60)


class Two(nn.Module):
    """Two numbers, one of which matters a million times more."""

    def __init__(self) -> None:
        super().__init__()
        self.loud, self.quiet = (nn.ParameterList([torch.zeros(1)]) for _ in range(2))

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        loss = (1e6 * self.loud[0] + self.quiet[0]).sum()
        return loss, {"always": 1.0} if step else {"always": 3.0, "once": 5.0}


def run(folder: Path, apart: bool) -> Two:
    model = Two()
    optimizer = torch.optim.SGD([{"params": list(model.parameters()), SHARE: 1.0}])
    parts = (model.loud, model.quiet) if apart else ()
    loop = Loop(STAGE, model, optimizer, RunFolder(folder, ["only"], {}), Voice(silent), parts)
    loop.go(State("only"), model.loss)
    return model


def test_a_part_with_large_gradients_does_not_stop_another(tmp_path: Path) -> None:
    assert run(tmp_path / "whole", apart=False).quiet[0].item() == pytest.approx(-2e-6, rel=0.01)
    model = run(tmp_path / "apart", apart=True)
    assert model.quiet[0].item() == pytest.approx(-2, rel=0.01)
    assert model.loud[0].item() == pytest.approx(-2, rel=0.01)


def test_an_average_is_over_the_steps_that_measured(tmp_path: Path) -> None:
    run(tmp_path, apart=False)
    (line,) = curve(tmp_path)
    assert (line["always"], line["once"]) == (2.0, 5.0)
