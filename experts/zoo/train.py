"""Training an expert and asking it questions, on the processor alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from random import Random

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from experts.zoo.council.halves import Half
from experts.zoo.recipe import Recipe
from experts.zoo.skills.base import Example, Skill, Split
from experts.zoo.sources import SOURCES

IGNORED = -100
REPORT_EVERY = 400
LONGEST_ANSWER = 32

Encoded = tuple[list[int], list[int]]


def chat_prompt(tokenizer: PreTrainedTokenizerFast, question: str) -> str:
    """Write a question exactly as the chat endpoint will."""
    messages = [{"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return str(prompt)


def draw_from(source: Skill, rng: Random, split: Split, half: Half | None) -> Example:
    """Draw an example of a half, or of both."""
    while True:
        example = source.sample(rng, split)
        if half is None or half.holds(example):
            return example


def draw_examples(
    mix: dict[str, float], rng: Random, split: Split, count: int, half: Half | None = None
) -> list[Example]:
    """Draw examples from a mix of skills and formats."""
    names, weights = list(mix), list(mix.values())
    sources = [SOURCES[name] for name in names]
    drawn = rng.choices(sources, weights, k=count)
    return [draw_from(source, rng, split, half) for source in drawn]


def encode(tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]) -> list[Encoded]:
    """Tokenize prompts and answers; an answer ends with the end-of-text token."""
    prompts = [chat_prompt(tokenizer, example.question) for example in examples]
    answers = [f"{example.answer}{tokenizer.eos_token}" for example in examples]
    return list(
        zip(
            tokenizer(prompts, add_special_tokens=False)["input_ids"],
            tokenizer(answers, add_special_tokens=False)["input_ids"],
            strict=True,
        )
    )


def collate(rows: Sequence[Encoded], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad rows on the right; only the answers have labels."""
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    tokens = torch.full((len(rows), longest), pad)
    labels = torch.full((len(rows), longest), IGNORED)
    for index, (prompt, answer) in enumerate(rows):
        length = len(prompt) + len(answer)
        tokens[index, :length] = torch.tensor(prompt + answer)
        labels[index, len(prompt) : length] = torch.tensor(answer)
    return tokens, labels


def batches(
    tokenizer: PreTrainedTokenizerFast, recipe: Recipe, rng: Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield training batches without end."""
    while True:
        count = recipe.batch * recipe.sorted_batches
        examples = draw_examples(recipe.mix, rng, "train", count, recipe.half)
        rows = sorted(encode(tokenizer, examples), key=lambda row: len(row[0]) + len(row[1]))
        starts = list(range(0, len(rows), recipe.batch))
        rng.shuffle(starts)
        for start in starts:
            yield collate(rows[start : start + recipe.batch], tokenizer.pad_token_id)


def answer_logits(
    model: PreTrainedModel, tokens: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the logits of the answers' tokens only: the vocabulary's matrix is not small."""
    hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    targets = labels[:, 1:]
    chosen = targets != IGNORED
    return model.get_output_embeddings()(hidden[:, :-1][chosen]), targets[chosen]


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    seed: int,
    steps_scale: float,
    label: str,
) -> float:
    """Train the parameters that require a gradient and return the seconds it took."""
    steps = max(2, round(recipe.steps * steps_scale))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, weight_decay=0.1, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=steps, pct_start=0.08
    )
    source = batches(tokenizer, recipe, Random(f"{label} {seed}"))
    began = time.perf_counter()
    model.train()
    for step in range(1, steps + 1):
        logits, targets = answer_logits(model, *next(source))
        loss = cross_entropy(logits, targets)
        torch.autograd.backward([loss])
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if step % REPORT_EVERY == 0 or step == steps:
            seconds = time.perf_counter() - began
            scores = teacher_forced(model, tokenizer, recipe, seed)
            progress = f"{label} {step}/{steps} loss {loss.item():.3f} {seconds:.0f} s"
            print(progress, scores, flush=True)
    model.eval()
    return time.perf_counter() - began


@torch.no_grad()
def teacher_forced(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, seed: int
) -> str:
    """Estimate the exact matches on probe questions of each part of the mix in one pass each."""
    model.eval()
    scores = []
    for name in recipe.mix:
        examples = draw_examples({name: 1.0}, Random(seed), "probe", 200)
        tokens, labels = collate(encode(tokenizer, examples), tokenizer.pad_token_id)
        hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
        best = model.get_output_embeddings()(hidden[:, :-1]).argmax(-1)
        right = ((best == labels[:, 1:]) | (labels[:, 1:] == IGNORED)).all(1)
        scores.append(f"{name} {right.float().mean().item():.2f}")
    model.train()
    return " ".join(scores)


@torch.no_grad()
def greedy_answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, questions: Sequence[str]
) -> list[str]:
    """Answer questions greedily; prompts of equal length go together and need no padding."""
    prompts = [chat_prompt(tokenizer, question) for question in questions]
    encoded = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    by_length: dict[int, list[int]] = {}
    for index, tokens in enumerate(encoded):
        by_length.setdefault(len(tokens), []).append(index)
    answers = [""] * len(encoded)
    for length, indices in by_length.items():
        batch = torch.tensor([encoded[index] for index in indices])
        replies = model.generate(
            input_ids=batch,
            attention_mask=torch.ones_like(batch),
            max_new_tokens=LONGEST_ANSWER,
            do_sample=False,
        )
        texts = tokenizer.batch_decode(replies[:, length:], skip_special_tokens=True)
        for index, text in zip(indices, texts, strict=True):
            answers[index] = text
    return answers


def accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]
) -> float:
    """Measure the share of exact matches of greedy answers."""
    answers = greedy_answers(model, tokenizer, [example.question for example in examples])
    pairs = zip(answers, examples, strict=True)
    return sum(answer.strip() == example.answer for answer, example in pairs) / len(examples)
