"""The weights in the repository are small, complete and fit their tokenizers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

from experts.fused.roles import fused
from experts.zoo import recipe
from experts.zoo.architectures import SHAPES
from experts.zoo.recipe import ADAPTERS, EXPERTS, OWN_VOCABULARY, RECIPES, folder_of
from experts.zoo.tokenizer import LONGEST_CONTEXT, SHARED, build

WEIGHTS = Path(recipe.__file__).parent / "weights"
LARGEST_FILE, LARGEST_TOTAL = 10e6, 28e6


def dtypes(path: Path) -> set[str]:
    with safe_open(path, framework="pt") as tensors:
        return {str(tensors.get_slice(name).get_dtype()) for name in tensors.keys()}  # noqa: SIM118


def test_every_folder_is_an_expert() -> None:
    files = (*WEIGHTS.rglob("config.json"), *WEIGHTS.rglob("adapter_config.json"))
    folders = {path.parent.relative_to(WEIGHTS).as_posix() for path in files}
    made_of_them = {name for name in folders if fused(str(WEIGHTS / name))}
    assert folders - made_of_them == {folder_of(expert) for expert in EXPERTS}
    assert made_of_them == {"fusion_route", "thoughts"}


def test_weights_are_small() -> None:
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()]
    assert max(sizes) <= LARGEST_FILE
    assert sum(sizes) <= LARGEST_TOTAL


@pytest.mark.parametrize("expert", RECIPES)
def test_configuration_loads_and_matches_the_recipe(expert: str) -> None:
    config = AutoConfig.from_pretrained(WEIGHTS / folder_of(expert))
    kind, shape = SHAPES[expert]
    assert isinstance(config, kind)
    assert {key: getattr(config, key) for key in shape} == shape
    assert config.max_position_embeddings == LONGEST_CONTEXT
    assert dtypes(WEIGHTS / folder_of(expert) / "model.safetensors") == {"F16"}


@pytest.mark.parametrize("expert", RECIPES)
def test_tokenizer_is_the_recipe_s_and_fits(expert: str) -> None:
    stored = AutoTokenizer.from_pretrained(WEIGHTS / folder_of(expert))
    built = build(OWN_VOCABULARY.get(expert, SHARED))
    config = AutoConfig.from_pretrained(WEIGHTS / folder_of(expert))
    text = 'Question: Write "tarin" backwards, 45 times.'
    assert stored.get_vocab() == built.get_vocab()
    assert stored(text)["input_ids"] == built(text)["input_ids"]
    assert len(stored) == config.vocab_size
    assert stored.model_max_length == LONGEST_CONTEXT
    assert stored.chat_template == built.chat_template
    assert config.eos_token_id == stored.eos_token_id


@pytest.mark.parametrize("expert", ADAPTERS)
def test_adapter_has_low_rank_and_no_whole_modules(expert: str) -> None:
    text = (WEIGHTS / expert / "adapter_config.json").read_text(encoding="utf-8")
    settings = json.loads(text)
    assert settings["r"] == ADAPTERS[expert].rank <= 16
    assert not settings["modules_to_save"]
    assert settings["base_model_name_or_path"] == ADAPTERS[expert].base
    with safe_open(WEIGHTS / expert / "adapter_model.safetensors", framework="pt") as tensors:
        assert all(".lora_" in name for name in tensors.keys())  # noqa: SIM118


def test_experts_have_different_shapes() -> None:
    shapes = set()
    for expert in RECIPES:
        config = AutoConfig.from_pretrained(WEIGHTS / folder_of(expert))
        heads = config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // heads
        shapes.add((getattr(config, "num_key_value_heads", heads) or heads, width))
    assert len(shapes) >= 5


def test_no_file_names_a_folder_of_the_training_machine() -> None:
    for path in WEIGHTS.rglob("*.json"):
        assert '": "/' not in path.read_text(encoding="utf-8")
