"""The council's generalist: what it trains on, and its shape."""

from __future__ import annotations

from typing import Any

GENERALIST = "merger"
MIX: dict[str, float] = {
    "arithmetic": 1.0,
    "units": 1.0,
    "geography": 0.3,
    "merging": 2.0,
    "reconsidering": 1.4,
    "pairs": 1.4,
    "grades": 0.4,
    "debate": 0.6,
    "unverified": 0.15,
    "consultancy": 0.4,
    "unargued": 0.05,
}
STEPS = 1600
SHAPE: dict[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 32,
}
