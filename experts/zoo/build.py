"""Building experts: train, round, save, reload and measure."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from experts.zoo import data, lora
from experts.zoo.architectures import configure
from experts.zoo.recipe import ADAPTERS, OWN_VOCABULARY, RECIPES, Recipe, folder_of, skills_of
from experts.zoo.skills.base import Example
from experts.zoo.skills.registry import SKILLS
from experts.zoo.sources import SOURCES
from experts.zoo.tokenizer import SHARED, save_unswapped
from experts.zoo.tokenizer import build as build_tokenizer
from experts.zoo.train import accuracy, train

THREADS = 2
MEASURED = "measured.json"
FORMAT_QUESTIONS = 200


def prepare(seed: int) -> None:
    """Make a run repeatable on one machine."""
    torch.manual_seed(seed)
    torch.set_num_threads(min(THREADS, torch.get_num_threads()))


def build_model(expert: str, out: Path, seed: int, steps_scale: float) -> float:
    """Train an expert from nothing and save it rounded to float16."""
    prepare(seed)
    tokenizer = build_tokenizer(OWN_VOCABULARY.get(expert, SHARED))
    model = _untrained(expert, tokenizer, out)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    recipe: Recipe | None = RECIPES[expert]
    label, seconds = expert, 0.0
    while recipe is not None:
        seconds += train(model, tokenizer, recipe, seed, steps_scale, label)
        model.to(torch.float16).to(torch.float32)
        recipe, label = recipe.then, f"{label} again"
    folder = out / folder_of(expert)
    model.to(torch.float16).save_pretrained(folder)
    if model.config.model_type == "qwen2":
        save_unswapped(tokenizer, folder)
    else:
        tokenizer.save_pretrained(folder)
    return seconds


def _untrained(expert: str, tokenizer: PreTrainedTokenizerFast, out: Path) -> PreTrainedModel:
    """A new model, or a copy of the one that the recipe begins with."""
    begins_as = RECIPES[expert].begins_as
    model: PreTrainedModel
    if begins_as is None:
        model = AutoModelForCausalLM.from_config(configure(expert, tokenizer))
    else:
        folder = out / folder_of(begins_as)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    return model


def build_adapter(expert: str, out: Path, seed: int, steps_scale: float) -> float:
    """Train an adapter on an expert that was built before and save it."""
    prepare(seed)
    recipe = ADAPTERS[expert]
    base = AutoModelForCausalLM.from_pretrained(out / recipe.base, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(out / recipe.base)
    adapted = lora.attach(base, recipe.rank)
    # The adapter's layers now lie inside the expert, so the expert itself can be trained.
    seconds = train(base, tokenizer, recipe.training, seed, steps_scale, expert)
    lora.save(adapted.to(torch.float16), out / expert, recipe.base)
    return seconds


def load(expert: str, out: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load an expert as it will be served: the rounded weights in float32."""
    base = ADAPTERS[expert].base if expert in ADAPTERS else expert
    folder = out / folder_of(base)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if expert in ADAPTERS:
        return lora.load(folder, out / expert), tokenizer
    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), tokenizer


def held_out_examples(name: str) -> list[Example]:
    """Take a skill's published test rows, or fresh held-out prompts of a format."""
    if name not in SKILLS:
        rng = Random(f"{name} test")
        return [SOURCES[name].sample(rng, "test") for _ in range(FORMAT_QUESTIONS)]
    return [
        Example(row["question"], row["answer"], tuple(row["keywords"]))
        for row in data.rows(SKILLS[name])
        if row["split"] == "test"
    ]


def build(expert: str, out: Path, seed: int, steps_scale: float) -> dict[str, Any]:
    """Build one expert, measure it, and add the measurements to the record."""
    make = build_adapter if expert in ADAPTERS else build_model
    seconds = make(expert, out, seed, steps_scale)
    model, tokenizer = load(expert, out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    accuracies = {
        name: round(accuracy(model, tokenizer, held_out_examples(name)), 4)
        for name in skills_of(expert)
    }
    result = {
        "seed": seed,
        "training_seconds": round(seconds),
        "parameters": parameters,
        "accuracy": accuracies,
    }
    record = out / MEASURED
    known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    known[expert] = result
    record.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return result
