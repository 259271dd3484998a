"""Tiny models with the zoo's shared tokenizer, and the files that train on them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, Qwen3Config
from transformers.utils import logging

from experts.zoo.tokenizer import SHARED, build

SHAPE: Mapping[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
}
KINDS: Mapping[str, type[PretrainedConfig]] = {
    "router": LlamaConfig,
    "left": Qwen3Config,
    "right": LlamaConfig,
}
logging.disable_progress_bar()


def write_models(folder: Path, **shape: int) -> dict[str, Path]:
    """Write a model of random weights for each of `KINDS`; name -> its folder."""
    tokenizer = build(SHARED)
    for seed, (name, kind) in enumerate(KINDS.items()):
        torch.manual_seed(seed)
        sizes = {**SHAPE, **shape}
        config = kind(vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **sizes)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {name: folder / name for name in KINDS}


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
