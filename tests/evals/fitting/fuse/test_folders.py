"""Fused experts of models that are not the zoo's: checked before the training, then trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from fused_folders import write_adapter, write_mixture
from numpy.typing import NDArray
from peft import PeftModel
from repository import ROOT
from rich.console import Console
from safetensors.torch import load_file
from tiny_models import write_foreign, write_jsonl
from training_runs import silent
from transformers import AutoModelForCausalLM, AutoTokenizer

from aggregators.mixture_of_thoughts.reference import ThoughtsReference
from aggregators.mixture_of_thoughts.save import save as save_thoughts
from aggregators.mixture_of_thoughts.train import train as train_thoughts
from aggregators.self_contrast.reference import SelfContrastReference
from evals.client.progress import Progress
from evals.fitting.fuse import fusion_route, mixture_of_thoughts, self_contrast_command
from evals.fitting.fuse.folders import (
    base_of,
    folder_of,
    with_whole_members,
    write_self_contrast,
)
from experts.errors import ConfigError
from experts.fused.roles import fused
from experts.fused.training.progress import Voice
from orchestrator.config.model import Config
from routers.fusion_route.reference import FusionRouteReference

pytestmark = pytest.mark.slow

QUESTION = [{"role": "user", "content": "How many days?"}]


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.ones((len(texts), 4), np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models without reserved tokens, with three unused rows, and an adapter."""
    root = tmp_path_factory.mktemp("models")
    folders = write_foreign(root, padding=3)
    write_adapter(root / "terse", folders["right"], "right")
    return root


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(file=StringIO()))


def run_file(folder: Path, models: Path, members: Sequence[str], **keys: Any) -> Path:
    rows = [{"prompt": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(8)]
    content = {
        "members": {name: str(models / name) for name in members},
        "questions": [str(write_jsonl(folder / "questions.jsonl", rows))],
        "threads": 1,
        **keys,
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_route_is_trained_over_an_adapter(
    models: Path, tmp_path: Path, progress: Progress
) -> None:
    keys = {"router": str(models / "router"), "sft": {"steps": 2, "batch": 4}}
    file = run_file(tmp_path, models, ["left", "terse"], **keys)
    out = tmp_path / "fused"
    config = with_whole_members(fusion_route.read(file, None, None), out, progress)
    fusion_route.train(config, tmp_path / "run", out, progress)

    made = fused(str(out))
    assert made is not None
    assert made.role_tokens == tuple(f"<|coterie_role_{number}|>" for number in range(7))
    reference = FusionRouteReference(out)
    assert reference.composite.members["terse"].path == "members/terse"
    tokenizer = AutoTokenizer.from_pretrained(out)
    asked = [
        tokenizer.apply_chat_template(
            QUESTION, role=role, add_generation_prompt=True, return_dict=False
        )
        for role in ("left_only", "terse_only")
    ]
    assert [tokens[0] for tokens in asked] == [made.role_ids[4], made.role_ids[6]]
    left, terse = (reference.greedy(tokens, 6) for tokens in asked)
    assert left != terse
    assert not {*left, *terse} & {*made.role_ids}


def test_a_mixture_is_trained_over_an_adapter(
    models: Path, tmp_path: Path, progress: Progress
) -> None:
    keys = {"active": 2, "shared_width": 16, "steps": 2, "batch": 4, "role_tokens": ["<filename>"]}
    file = run_file(tmp_path, models, ["left", "terse"], **keys)
    out = tmp_path / "fused"
    config = with_whole_members(mixture_of_thoughts.read(file, None), out, progress)
    with pytest.raises(ConfigError, match=r"4 roles need as many role tokens; .* names 1"):
        train_thoughts(config, tmp_path / "run", encode, Voice(silent))
    config = config.model_copy(update={"role_tokens": ()})
    model, _ = train_thoughts(config, tmp_path / "run", encode, Voice(silent))
    save_thoughts(model, config, "test", out, {})

    made = fused(str(out))
    assert made is not None
    reference = ThoughtsReference(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    asked = tokenizer.apply_chat_template(
        QUESTION, role="terse+left", add_generation_prompt=True, return_dict=False
    )
    assert asked[0] == made.role_ids[reference.composite.role("terse+left")]
    assert not {*reference.greedy(asked, 6)} & {*made.role_ids}


def test_too_few_tokens_are_said_before_the_training(
    models: Path, tmp_path: Path, progress: Progress
) -> None:
    members = ["left", "right", "terse"]
    keys = {"router": str(models / "router"), "sft": {"steps": 2}}
    file = run_file(tmp_path, models, members, **keys, role_tokens=["<filename>", "<gh_stars>"])
    (tmp_path / "questions.jsonl").write_text("no question", encoding="utf-8")
    config = with_whole_members(fusion_route.read(file, None, None), tmp_path / "fused", progress)
    with pytest.raises(ConfigError, match=r"9 roles need as many role tokens; .* names 2"):
        fusion_route.train(config, tmp_path / "run", tmp_path / "fused", progress)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "fused" / "config.json").exists()


def test_a_record_names_no_folder_of_this_machine(
    models: Path, tmp_path: Path, progress: Progress
) -> None:
    keys = {"router": str(models / "router"), "sft": {"steps": 1, "batch": 4}}
    keys["adapter_of"] = {"terse": str(models / "right")}
    file = run_file(tmp_path, models, ["terse"], **keys)
    out = tmp_path / "fused"
    config = with_whole_members(fusion_route.read(file, None, None), out, progress)
    fusion_route.train(config, tmp_path / "run", out, progress)
    assert str(tmp_path) not in (out / "training.json").read_text()
    merged = json.loads((out / "members" / "terse" / "config.json").read_text())
    assert set(merged["coterie_merged"]) == {"adapter", "base"}
    assert str(models) not in json.dumps(merged)


def test_the_roles_of_a_self_contrast_have_the_tokens_that_were_named(tmp_path: Path) -> None:
    duo = ROOT / "experts" / "zoo" / "weights" / "duo"
    roles = [{"name": "fitted", "beta": 0.5}, {"name": "greedy", "beta": 0}]
    named = ("<|first|>", "<|second|>")
    out = write_self_contrast(tmp_path / "fused", "duo", duo, roles, role_tokens=named)
    tokenizer = AutoTokenizer.from_pretrained(out)
    ids = json.loads((out / "config.json").read_text())["role_token_ids"]
    assert tuple(tokenizer.convert_ids_to_tokens(ids)) == named
    with pytest.raises(ConfigError, match="`role_tokens` names 1"):
        write_self_contrast(tmp_path / "few", "duo", duo, roles, role_tokens=named[:1])
    assert not (tmp_path / "few").exists()


async def test_role_tokens_that_cannot_be_are_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(self_contrast_command, "serving", lambda models: asked.append(models))
    duo = ROOT / "experts" / "zoo" / "weights" / "duo"
    settings = Config.model_validate({"experts": {"duo": {"type": "vllm", "model": str(duo)}}})
    quiet = Progress(Console(quiet=True))
    with pytest.raises(ConfigError, match="`role_tokens` names 1"):
        await self_contrast_command.self_contrast(
            quiet, settings, "duo", ("roman",), tmp_path / "out", ("<|one|>",)
        )
    assert asked == []
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_a_mixture_is_contrasted_with_itself(tmp_path: Path) -> None:
    mixture = write_mixture(tmp_path / "mixture", "qwen3-moe")
    adapter = write_adapter(tmp_path / "kind", mixture, "elsewhere")
    settings = Config.model_validate(
        {
            "experts": {
                "mixture": {"type": "vllm", "model": str(mixture)},
                "kind": {"type": "vllm", "model": str(adapter), "adapter_of": "mixture"},
            }
        }
    )
    base = base_of(settings, "kind")
    assert (base, base_of(settings, "mixture")) == ({"kind": str(mixture)}, {})
    roles = [{"name": "plain", "beta": 0}, {"name": "contrast"}]
    out = write_self_contrast(tmp_path / "fused", "kind", folder_of(settings, "kind"), roles, base)

    merged, plain = (load_file(f / "model.safetensors") for f in (out / "members/kind", mixture))
    assert merged.keys() == plain.keys()
    changed = {name for name, tensor in merged.items() if not torch.equal(tensor, plain[name])}
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "down_proj"}
    reference = SelfContrastReference(out)
    tokens = [*reference.composite.role_token_ids[:1], 80, 90]
    found = reference.logits(tokens)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(mixture), adapter)
    with torch.no_grad():
        seen = torch.tensor([[reference.composite.bos_token_id, 80, 90]])
        expected = adapted.eval()(seen).logits[0]
    spoken = [id for id in range(741) if id not in reference.composite.role_token_ids]
    assert torch.allclose(found[:, spoken], expected[:, spoken], atol=1e-3)
