"""What the file of a run may say, and the mistakes that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fusion_route_runs import changed
from pydantic import ValidationError

from experts.errors import ConfigError
from routers.fusion_route.training_config import TrainingConfig, read_config


def config_with(tmp_path: Path, **changes: Any) -> Path:
    tree = {"members": {"a": "a"}, "router": "b", "questions": ["c"], "sft": {"steps": 1}}
    path = tmp_path / "run.yaml"
    path.write_text(str({**tree, **changes}).replace("'", '"'), encoding="utf-8")
    return path


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    config = read_config(config_with(tmp_path, preferences=["../d"]))
    assert config.members["a"] == tmp_path / "a"
    assert config.router == tmp_path / "b"
    assert config.questions == (tmp_path / "c",)
    assert config.preferences == (tmp_path / "../d",)


def test_every_mistake_in_the_file_is_named(tmp_path: Path) -> None:
    path = config_with(tmp_path, sft={"steps": -1, "batches": 3}, seed="x")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "sft.steps",
        "sft.batches",
        "seed",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mixed": {"steps": 5, "pairs": 4}}, "own_mistakes"),
        ({"sft": {"steps": 5, "pairs": 4}}, "sft.pairs"),
        ({"sft": {"steps": 5, "own_mistakes": 4}}, "sft.own_mistakes"),
        ({"sft": {"steps": 0}}, "nothing to train"),
    ],
)
def test_keys_that_contradict_each_other(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(config_with(tmp_path, **changes))
    assert reason in caught.value.problems[0]


def test_a_file_that_is_missing_or_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not YAML"):
        read_config(tmp_path / "bad.yaml")


@pytest.mark.parametrize("alone", [{"quiet": 0.1}, {"unknown_nll": 1.0}])
def test_what_needs_the_fused_loss_says_so(
    tiny_run: TrainingConfig, alone: dict[str, float]
) -> None:
    with pytest.raises(ValidationError, match="language: fused"):
        changed(tiny_run, **alone)
