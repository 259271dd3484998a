"""Checking that the converted checkpoint is what the examples count on, with a known answer."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PretrainedConfig

from experts.zoo.train import greedy_answers

QUESTION = "What is the capital of France?"
WORD = "Paris"
TOKENS = 49_152
CONTEXT = 8_192


def shape_problems(config: PretrainedConfig) -> list[str]:
    """What is wrong with the model's configuration."""
    problems = []
    if config.vocab_size != TOKENS:
        problems.append(f"{config.vocab_size} tokens instead of {TOKENS}")
    if not config.num_key_value_heads < config.num_attention_heads:
        problems.append(f"{config.num_key_value_heads} KV heads: not grouped")
    if config.max_position_embeddings != CONTEXT:
        problems.append(f"a context of {config.max_position_embeddings} instead of {CONTEXT}")
    if getattr(config, "quantization_config", None):
        problems.append("it is still called quantized")
    return problems


def problems(folder: Path) -> list[str]:
    """Everything that is wrong with the checkpoint in a folder; none where it is good."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found = shape_problems(model.config)
    if not tokenizer.chat_template:
        return [*found, "no chat template"]
    (answer,) = greedy_answers(model, tokenizer, [QUESTION])
    if WORD not in answer:
        found.append(f"asked {QUESTION!r}, it answers {answer!r}")
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print("\n".join(wrong))
    sys.exit(bool(wrong))
