"""What every adapter is trained on, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """A LoRA adapter: its size, the matrices beside which it lies, and its training."""

    skill: str
    rank: int
    targets: tuple[str, ...]
    steps: int
    batch: int = 16
    learning_rate: float = 2e-3


RECIPES: dict[str, AdapterRecipe] = {
    "conversions": AdapterRecipe("conversions", rank=16, targets=ATTENTION, steps=100),
    "extraction": AdapterRecipe("extraction", rank=8, targets=ATTENTION, steps=20),
    "problems": AdapterRecipe("problems", rank=16, targets=ATTENTION, steps=140),
}
