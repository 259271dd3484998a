"""The architecture of every expert: different families, depths and shapes of the KV cache."""

from __future__ import annotations

from typing import Any

from transformers import (
    GemmaConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MixtralConfig,
    PhiConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from experts.zoo.council.generalist import BEGINS_AS, GENERALIST
from experts.zoo.council.shapes import MEMBER_SHAPES
from experts.zoo.tokenizer import LONGEST_CONTEXT

SHAPES: dict[str, tuple[type[PreTrainedConfig], dict[str, Any]]] = {
    "arithmetic": (
        LlamaConfig,
        {
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
    ),
    "strings": (
        Qwen2Config,
        {
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
        },
    ),
    "units": (
        Qwen3Config,
        {
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 32,
        },
    ),
    "logic": (
        GemmaConfig,
        {
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "head_dim": 64,
        },
    ),
    "geography": (
        GPTNeoXConfig,
        {
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
        },
    ),
    "translation": (
        PhiConfig,
        {
            "hidden_size": 160,
            "intermediate_size": 512,
            "num_hidden_layers": 3,
            "num_attention_heads": 5,
        },
    ),
    "duo": (
        MixtralConfig,
        {
            "hidden_size": 128,
            "intermediate_size": 192,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
        },
    ),
    "generalist": (
        Qwen3Config,
        {
            "hidden_size": 160,
            "intermediate_size": 448,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "head_dim": 32,
        },
    ),
    **MEMBER_SHAPES,
}

SHAPES[GENERALIST] = SHAPES[BEGINS_AS]


def configure(expert: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """Make an expert's configuration for a tokenizer."""
    kind, shape = SHAPES[expert]
    return kind(
        vocab_size=len(tokenizer),
        max_position_embeddings=LONGEST_CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )
