"""The council's generalist: what it begins with, and what it trains on."""

from __future__ import annotations

GENERALIST = "merger"
BEGINS_AS = "generalist"
"""It can already copy what most candidates say, in the same prompt; from nothing, that takes most
of the training."""
MIX: dict[str, float] = {
    "arithmetic": 0.6,
    "units": 0.6,
    "geography": 0.3,
    "merging": 2.0,
    "reconsidering": 1.2,
    "pairs": 1.0,
    "grades": 0.2,
    "debate": 0.8,
    "unverified": 0.1,
    "consultancy": 0.4,
    "unargued": 0.03,
}
STEPS = 1500
BATCH = 32
SORTED_BATCHES = 16
LEARNING_RATE = 1.5e-3
