"""The council's generalist: what it trains on, and its shape."""

from __future__ import annotations

from typing import Any

GENERALIST = "merger"
MIX: dict[str, float] = {
    "arithmetic": 0.8,
    "units": 0.8,
    "geography": 0.3,
    "merging": 1.6,
    "reconsidering": 1.0,
    "pairs": 1.4,
    "grades": 0.3,
    "debate": 0.6,
    "unverified": 0.1,
    "consultancy": 0.3,
    "unargued": 0.03,
}
STEPS = 2000
BATCH = 32
SORTED_BATCHES = 16
LEARNING_RATE = 2e-3
SHAPE: dict[str, Any] = {
    "hidden_size": 160,
    "intermediate_size": 480,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 32,
}
