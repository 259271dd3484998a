"""Training a LoRA adapter on the real model, on the processor alone, in minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from experts.real.recipe import AdapterRecipe
from experts.real.skills.registry import SKILLS
from experts.zoo import lora
from experts.zoo.train import answer_logits, collate, encode

REPORT_EVERY = 10
SORTED_BATCHES = 8
WARM_UP = 0.1


def batches(
    tokenizer: PreTrainedTokenizerFast, recipe: AdapterRecipe, rng: Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield training batches without end, each of questions of about one length."""
    skill = SKILLS[recipe.skill]
    while True:
        lessons = [skill.draw(rng, "train") for _ in range(recipe.batch * SORTED_BATCHES)]
        rows = encode(tokenizer, [lesson.taught() for lesson in lessons])
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        starts = list(range(0, len(rows), recipe.batch))
        rng.shuffle(starts)
        for start in starts:
            yield collate(rows[start : start + recipe.batch], tokenizer.pad_token_id)


def train_adapter(name: str, recipe: AdapterRecipe, base: Path, out: Path, seed: int) -> None:
    """Train one adapter and save it in float16, in PEFT's format."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    settings = LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        target_modules=list(recipe.targets),
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, settings)
    parameters = [one for one in model.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=WARM_UP
    )
    source = batches(tokenizer, recipe, Random(f"{name} {seed}"))
    began, losses = time.perf_counter(), []
    model.train()
    for step in range(1, recipe.steps + 1):
        # The adapter's layers lie inside the model, which can be called without its wrapper.
        logits, targets = answer_logits(model, *next(source))
        loss = cross_entropy(logits, targets)
        torch.autograd.backward([loss])
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        if step % REPORT_EVERY == 0 or step == recipe.steps:
            recent, seconds = losses[-REPORT_EVERY:], time.perf_counter() - began
            mean = sum(recent) / len(recent)
            print(f"{name} {step}/{recipe.steps} loss {mean:.3f} {seconds:.0f} s", flush=True)
    lora.save(adapted.to(torch.float16), out / name, base.name)
