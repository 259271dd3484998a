"""An ablation changes one thing at a time, and says by how much it matters."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from repository import ROOT
from rich.console import Console

from aggregators.mixture_of_thoughts.training_config import TrainingConfig, read_config
from evals.benchmarks.fusion.ablation import plan
from evals.benchmarks.fusion.ablation_report import BASE, Ablated, print_ablation, write_json
from evals.tasks.task import load_tasks
from experts.errors import ConfigError

HOME = ROOT / "aggregators" / "mixture_of_thoughts"
TASK = replace(
    load_tasks(["two_skill"])["two_skill"], rows=load_tasks(["two_skill"])["two_skill"].rows[:20]
)


@pytest.fixture
def config() -> TrainingConfig:
    return read_config(HOME / "zoo.yaml")


def file_of(folder: Path, **content: Any) -> Path:
    path = folder / "ablation.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_shipped_one_fits_the_shipped_run(config: TrainingConfig) -> None:
    runs = plan(config, HOME / "ablation.yaml")
    assert [run.variant for run in runs[:4]] == [BASE] * 3 + ["2 stacks"]
    assert [run.config.seed for run in runs[:3]] == [0, 1, 2]
    assert runs[0].config == config.model_copy(update={"seed": 0, "steps": runs[0].config.steps})
    assert len({run.config.steps for run in runs}) == 1
    assert {run.config.stacks for run in runs if run.variant == "2 stacks"} == {2}
    assert len({run.name for run in runs}) == len(runs)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"variants": {"more": {"active": 9}}}, "variants.more does not fit.*active is 9"),
        ({"every": {"batches": 3}, "variants": {"x": {}}}, "every does not fit.*batches"),
        ({"variants": {"x": {"members": ["duo", "who"]}}}, "variants.x: who is no member"),
        ({"variants": {"x": {"members": 5}}}, "variants.x: members must be a list"),
        ({"variants": {"x": {"members": [5]}}}, "variants.x: 5 is no member"),
        ({"variants": {"typo": {"stakcs": 3}}}, "variants.typo does not fit.*stakcs"),
        ({"variants": {}}, "does not describe an ablation.*variants"),
        ({"variants": {"a b": {}, "a-b": {}}}, "differ only in their punctuation"),
        ({"seeds": list(range(40)), "variants": {"x": {}}}, "describes 80 runs; at most 64"),
    ],
)
def test_what_does_not_fit_is_named(
    config: TrainingConfig, tmp_path: Path, content: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(config, file_of(tmp_path, **content))
    assert re.search(words, " ".join([str(caught.value), *caught.value.problems]))


def scores(*right: int) -> tuple[dict[str, tuple[float, ...]], ...]:
    """One run for each number of right answers."""
    return tuple({"two_skill": (1.0,) * n + (0.0,) * (20 - n)} for n in right)


def test_what_is_printed_and_written(tmp_path: Path) -> None:
    ablated = Ablated(
        (TASK,),
        {BASE: scores(16, 18), "2 active": scores(10, 12)},
        {"random": scores(1)[0]},
    )
    assert ablated.lost("2 active", "two_skill").mean == pytest.approx(0.3)
    assert ablated.above("random", "two_skill").mean == pytest.approx(0.8)
    out = io.StringIO()
    assert print_ablation(Console(file=out, width=120), ablated) == 0
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert [*BASE.split(), "85.0", "(80.0", "-", "90.0)"] in lines
    assert ["random", "5.0"] in lines
    assert any(line[:3] == ["2", "active", "+30.0"] for line in lines)
    write_json(tmp_path / "found.json", ablated)
    tree = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert tree["accuracy"]["2 active"]["two_skill"] == [0.5, 0.6]
    assert set(tree["better_by"]) == {"2 active", "random"}
