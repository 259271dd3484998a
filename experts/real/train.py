"""Training a LoRA adapter on the real model, on the processor alone, in minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from experts.real.packing import Packed, pack
from experts.real.recipe import AdapterRecipe
from experts.real.skills.registry import SKILLS
from experts.zoo import lora
from experts.zoo.train import IGNORED, encode

REPORT_EVERY = 5
HALVES = 2
"""Threads, each with its part of a batch: they meet once a step, not at every multiplication.

The sum of two gradients does not depend on which comes first, so a training can be repeated.
"""
WARM_UP = 0.1


def batches(
    tokenizer: PreTrainedTokenizerFast, recipe: AdapterRecipe, rng: Random
) -> Iterator[Packed]:
    """Yield halves of training batches without end."""
    skill = SKILLS[recipe.skill]
    while True:
        lessons = [skill.draw(rng, "train") for _ in range(recipe.batch // HALVES)]
        yield pack(encode(tokenizer, [lesson.taught() for lesson in lessons]))


def reply_loss(model: PreTrainedModel, batch: Packed) -> torch.Tensor:
    """The mean loss of the replies' tokens; no other is multiplied with the large vocabulary."""
    hidden = model.base_model(
        input_ids=batch.tokens,
        position_ids=batch.positions,
        attention_mask=batch.visible,
        use_cache=False,
    ).last_hidden_state
    chosen = batch.labels != IGNORED
    logits = model.get_output_embeddings()(hidden[chosen])
    return cross_entropy(logits.float(), batch.labels[chosen])


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it, which is half again as fast; else float32."""
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def train_adapter(name: str, recipe: AdapterRecipe, base: Path, out: Path, seed: int) -> None:
    """Train one adapter and save it in float16, in PEFT's format."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=fastest_dtype())
    settings = LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        target_modules=list(recipe.targets),
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, settings)
    # The adapter's layers now lie inside the model, which can be trained without its wrapper.
    _train(model, name, recipe, batches(tokenizer, recipe, Random(f"{name} {seed}")))
    lora.save(adapted.to(torch.float16), out / name, base.name)


def _train(
    model: PreTrainedModel, name: str, recipe: AdapterRecipe, source: Iterator[Packed]
) -> None:
    """Train what requires a gradient, and say how it goes."""
    parameters = [one for one in model.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=WARM_UP
    )

    def learn(half: Packed) -> float:
        loss = reply_loss(model, half) / HALVES
        torch.autograd.backward([loss])
        return loss.item()

    began, losses = time.perf_counter(), []
    model.train()
    with ThreadPoolExecutor(HALVES, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        for step in range(1, recipe.steps + 1):
            losses.append(sum(threads.map(learn, [next(source) for _ in range(HALVES)])))
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            if step % REPORT_EVERY == 0 or step == recipe.steps:
                recent, seconds = losses[-REPORT_EVERY:], time.perf_counter() - began
                mean = sum(recent) / len(recent)
                print(f"{name} {step}/{recipe.steps} loss {mean:.3f} {seconds:.0f} s", flush=True)
