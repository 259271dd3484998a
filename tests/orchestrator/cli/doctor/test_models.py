"""Models that are whole, cut short, missing, or on the hub only."""

from pathlib import Path

import pytest
from config_files import safetensors, write_checkpoint
from repository import ROOT

from experts.spec import HostedSpec, VllmSpec
from orchestrator.cli.doctor.finding import Finding, Level
from orchestrator.cli.doctor.models import check_models


def _found(model: str, offline: bool = True) -> list[Finding]:
    return list(check_models({"law": VllmSpec(type="vllm", model=model)}, offline))


def test_a_whole_model_has_its_size_and_its_licence(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "law")
    model, licence = _found(str(folder))
    assert (model.level, licence.level) == (Level.OK, Level.WARNING)
    assert f"{folder}, 3 files" in model.found


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "has no weights"),
        (lambda f: (f / "model.safetensors").write_bytes(safetensors()[:100]), "model.safetensors"),
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer"),
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
    ],
)
def test_what_is_missing_is_named(damage: object, words: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "law")
    assert callable(damage)
    damage(folder)
    model, _ = _found(str(folder))
    assert (model.level, words in model.found) == (Level.FAULT, True)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (found,) = _found(str(tmp_path / "nowhere"))
    assert (found.level, "there is no folder" in found.found) == (Level.FAULT, True)


@pytest.mark.parametrize(("offline", "level"), [(True, Level.FAULT), (False, Level.WARNING)])
def test_a_model_of_the_hub_that_is_not_here(
    offline: bool, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (found,) = _found("acme/law-7b", offline)
    assert found.level is level


def test_every_member_of_a_fused_expert_has_a_licence() -> None:
    folder = str(ROOT / "experts/zoo/weights/fusion_route")
    spec: HostedSpec = VllmSpec(type="vllm", model=folder)
    abouts = [found.about for found in check_models({"duo": spec}, True)]
    assert "licence of duo's member arithmetic" in abouts
    assert len(abouts) > 4


def test_who_shares_a_model_is_not_looked_at_twice(tmp_path: Path) -> None:
    folder = str(write_checkpoint(tmp_path / "law"))
    one = VllmSpec(type="vllm", model=folder)
    other = VllmSpec(type="vllm", model=folder, same_as="law")
    assert len(list(check_models({"law": one, "clerk": other}, True))) == 2
