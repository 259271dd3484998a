"""The fused folder that a training writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fusion_route_runs import changed
from safetensors.torch import load_file
from training_runs import silent

from experts.errors import ConfigError
from experts.fused.training.progress import Voice
from routers.fusion_route.reference import FusionRouteReference
from routers.fusion_route.save import save
from routers.fusion_route.train import train
from routers.fusion_route.training_config import TrainingConfig


def test_the_fused_folder_comes_back(
    tiny_run: TrainingConfig, tiny: dict[str, Path], tmp_path: Path
) -> None:
    model, _ = train(changed(tiny_run, mixed={"steps": 0}), tmp_path / "run", Voice(silent))
    folder = tmp_path / "fused"
    save(model, tiny_run.router, tiny_run.members, folder, {"seconds": 1})
    stored = load_file(folder / "model.safetensors")
    assert stored["route_head.weight"].shape == (2, 16)
    assert {name for name in stored if name != "route_head.weight"} == {
        f"router.{name}" for name in load_file(tiny["router"] / "model.safetensors")
    }
    roles = json.loads((folder / "config.json").read_text(encoding="utf-8"))["roles"]
    assert [role["name"] for role in roles] == [
        *("route", "route_only", "router", "left", "left_only", "right", "right_only")
    ]
    first = FusionRouteReference(folder)
    assert tuple(first.composite.members) == ("left", "right")
    assert len(first.greedy([first.composite.role_token_ids[0], 80, 90], 3)) == 3
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["members"]["left"]["fingerprint"] = "0" * 16
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="left"):
        FusionRouteReference(folder)
