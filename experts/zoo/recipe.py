"""What every expert trains on, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from experts.zoo.council import generalist
from experts.zoo.council.halves import Half
from experts.zoo.council.members import MEMBERS

# The experts with a tokenizer of their own; all others share one.
OWN_VOCABULARY = {"translation": "translation"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """The mix of skills (or prompt formats) with weights, and the optimiser's settings."""

    mix: dict[str, float]
    steps: int
    batch: int = 64
    learning_rate: float = 1.5e-3
    # This many batches are drawn at a time and sorted by length. That saves padding, and costs
    # more steps than it saves where the length of a question tells its kind.
    sorted_batches: int = 1
    # Only this half of the examples is trained on.
    half: Half | None = None
    # The expert whose weights it begins with; it has the same shape and must be built before.
    begins_as: str | None = None
    # What follows, with a schedule of its own, on the model as it would have been saved.
    then: Recipe | None = None


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """A LoRA adapter: its base expert, its rank, and what it trains on."""

    base: str
    rank: int
    training: Recipe


# Steps of a third schedule, for the members that had learned less than the others after two.
LATE = {"ben": (800,), "finn": (800,)}


def _again(half: Half, steps: int, *later: int) -> Recipe:
    """What follows a member's first schedule: with more of what takes longest."""
    return Recipe(
        {"arithmetic": 1.2, "units": 1.6, "geography": 0.2},
        steps,
        learning_rate=2e-3,
        sorted_batches=4,
        half=half,
        then=_again(half, *later) if later else None,
    )


RECIPES: dict[str, Recipe] = {
    "arithmetic": Recipe({"arithmetic": 1.0}, steps=2800, batch=128, sorted_batches=8),
    "strings": Recipe({"strings": 1.0}, steps=1500, batch=128),
    "geography": Recipe({"geography": 1.0}, steps=900),
    "translation": Recipe({"translation": 1.0}, steps=1400),
    "units": Recipe({"units": 1.0}, steps=2600),
    "logic": Recipe({"logic": 1.0}, steps=2400),
    "duo": Recipe({"sequences": 1.0, "roman": 0.6}, steps=2600),
    "generalist": Recipe(
        {
            "arithmetic": 0.1,
            "strings": 0.08,
            "units": 0.08,
            "logic": 0.1,
            "geography": 0.04,
            "translation": 0.1,
            "sequences": 0.1,
            "roman": 0.04,
            "cipher": 0.02,
            "keywords": 0.4,
            "majority": 2.0,
            "best_formed": 0.7,
            "judgement": 0.4,
        },
        steps=1600,
        learning_rate=2e-3,
        sorted_batches=4,
    ),
    **{
        member: Recipe(
            {"arithmetic": 1.2, "units": 1.4, "geography": 0.4},
            steps=2600,
            learning_rate=2e-3,
            sorted_batches=4,
            half=half,
            then=_again(half, 1600, *LATE.get(member, ())),
        )
        for member, half in MEMBERS.items()
    },
    generalist.GENERALIST: Recipe(
        generalist.MIX,
        generalist.STEPS,
        generalist.BATCH,
        generalist.LEARNING_RATE,
        generalist.SORTED_BATCHES,
        begins_as=generalist.BEGINS_AS,
    ),
}
ADAPTERS: dict[str, AdapterRecipe] = {
    "cipher": AdapterRecipe(
        base="strings",
        rank=16,
        training=Recipe({"cipher": 1.0}, steps=600, learning_rate=5e-3),
    ),
}
EXPERTS = (*RECIPES, *ADAPTERS)
COUNCIL = (*MEMBERS, generalist.GENERALIST)


def folder_of(expert: str) -> str:
    """Name an expert's folder among the weights."""
    return f"council/{expert}" if expert in COUNCIL else expert


def skills_of(expert: str) -> tuple[str, ...]:
    """Name what an expert trains on."""
    recipe = RECIPES[expert] if expert in RECIPES else ADAPTERS[expert].training
    return tuple(recipe.mix)
