"""An adapter's training leaves what peft loads, and what it ships is what its recipe says."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from tiny_models import write_models
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from experts.real.packing import pack
from experts.real.places import ADAPTERS
from experts.real.recipe import RECIPES
from experts.real.train import HALVES, batches, reply_loss, train_adapter
from experts.zoo.train import IGNORED, answer_logits, collate

LARGEST_BYTES = 5 << 20


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("tiny"))["right"]


def test_only_replies_are_learned(tiny: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    batch = next(batches(tokenizer, replace(RECIPES["problems"], batch=4), Random(0)))
    assert batch.tokens.shape == batch.positions.shape == batch.labels.shape
    learned = tokenizer.decode(batch.labels[batch.labels != IGNORED])
    assert learned.count("The answer is") == 4 // HALVES
    assert "?" not in learned


def test_examples_in_one_row_do_not_see_each_other(tiny: Path) -> None:
    rows = [([1, 5, 6], [7, 2]), ([1, 5, 9, 10], [11, 12, 2]), ([1, 5, 8], [4, 2])]
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    apart = cross_entropy(*answer_logits(model, *collate(rows, pad=0)))
    torch.testing.assert_close(reply_loss(model, pack(rows)), apart)


@pytest.mark.slow
def test_a_trained_adapter_is_loaded_by_peft(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(RECIPES["conversions"], rank=2, steps=3, batch=2)
    train_adapter("small", recipe, tiny, tmp_path, seed=0)
    assert "small 3/3 loss" in capsys.readouterr().out
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    question = torch.tensor([[5, 6, 7]])
    before = base(input_ids=question).logits
    adapted = PeftModel.from_pretrained(base, tmp_path / "small")
    assert not torch.equal(adapted(input_ids=question).logits, before)


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_adapter_is_what_its_recipe_says(name: str) -> None:
    recipe = RECIPES[name]
    settings = json.loads((ADAPTERS / name / "adapter_config.json").read_text(encoding="utf-8"))
    assert settings["peft_type"] == "LORA"
    assert settings["r"] == recipe.rank
    assert settings["target_modules"] == sorted(recipe.targets)
    assert settings["base_model_name_or_path"] == "smollm2"
    weights = ADAPTERS / name / "adapter_model.safetensors"
    assert weights.stat().st_size < LARGEST_BYTES
    with safe_open(weights, framework="np") as opened:
        assert {opened.get_slice(key).get_dtype() for key in opened.keys()} == {"F16"}  # noqa: SIM118
