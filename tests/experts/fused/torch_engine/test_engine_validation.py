"""Which engine a fused expert needs is said when the configuration is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from repository import ROOT
from typer.testing import CliRunner

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.errors import ConfigError
from experts.spec import TorchSpec
from orchestrator.cli.main import app
from orchestrator.config.model import load_config

ZOO = ROOT / "experts" / "zoo" / "weights"
Made = tuple[Path, TrainingConfig, MixtureOfThoughts]


def file_of(folder: Path, kind: str, model: Path) -> Path:
    path = folder / "pool.yaml"
    tree = {"version": 1, "experts": {"mixture": {"type": kind, "model": str(model)}}}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def test_the_torch_engine_is_for_different_tokenizers(made: Made, tmp_path: Path) -> None:
    config = load_config(file_of(tmp_path, "torch", made[0]))
    assert isinstance(config.hosted()["mixture"], TorchSpec)
    with pytest.raises(ConfigError) as caught:
        load_config(file_of(tmp_path, "vllm", made[0]))
    (problem,) = caught.value.problems
    assert problem.startswith("experts.mixture.type: translation have tokenizers of their own")
    assert problem.endswith("use `torch`, which is slower.")


def test_all_others_are_faster_in_vllm(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(file_of(tmp_path, "torch", ZOO / "arithmetic"))
    assert caught.value.problems[0].endswith("use `vllm`, which is much faster.")


def test_validate_says_that_it_is_slower(made: Made, tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["validate", str(file_of(tmp_path, "torch", made[0]))])
    assert said.exit_code == 0
    assert "mixture: type torch" in said.stdout
    assert "slower than vLLM" in said.stdout
