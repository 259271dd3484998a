"""The keys of a Composition of Experts."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from experts.errors import ConfigError
from routers.composition.classifier import Kind
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.training_set import Floats


class CompositionConfig(FittedConfig):
    """The keys of a Composition of Experts."""

    type: Literal["composition"]
    classifier: Kind = Field("knn", description="The classifier of a request's category.")
    neighbours: int = Field(
        24, ge=1, le=1024, description="Number of nearest questions that vote, for `knn`."
    )
    strength: float = Field(
        10.0, gt=0, description="Inverse regularisation strength, scikit-learn's C, for `logistic`."
    )
    prior_weight: float = Field(
        20.0,
        ge=0,
        description="Weight of an expert's overall mean in each category, as a number of answers.",
    )
    sizes: dict[str, float] = Field(
        default={},
        description="Parameters of each expert, by convention in billions; without this key each"
        " counts as 1.",
    )
    active_sizes: dict[str, float] = Field(
        default={},
        description="Parameters that work on a token, in the same unit, of those experts for which"
        " they are fewer than in `sizes` (mixtures of experts).",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="Most parameters of all experts in the map together, in the same unit.",
    )
    active_budget: float | None = Field(
        None,
        gt=0,
        description="Most active parameters of the expert that answers, on average over requests.",
    )
    unlabelled: tuple[str, ...] = Field(
        (),
        description="Tasks of the outcome table that are no categories, such as the composition"
        " under whose name feedback was collected: each of their questions joins the category of"
        " the nearest others, or `general`.",
    )
    label_confidence: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of its neighbours' votes with which an unlabelled question joins a"
        " category; with less it is in the category `general`. 0: each joins the nearest one.",
    )

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Sizes must be positive and of experts of the pool; a budget must fit someone."""
        given = (("sizes", self.sizes), ("active_sizes", self.active_sizes))
        known = ", ".join(experts)
        unknown = [
            f"{key}.{name}: no expert is called `{name}` (known: {known})."
            for key, sizes in given
            for name in sizes
            if name not in experts
        ]
        bad = [
            f"{key}.{name}: must be above 0."
            for key, sizes in given
            for name, size in sizes.items()
            if size <= 0
        ]
        found = (*super().problems(experts), *unknown, *bad)
        return found or self._too_small([name for name in experts if self._is_sized(name)])

    def _too_small(self, experts: Sequence[str]) -> tuple[str, ...]:
        total, active = self.sizes_of(experts)
        given = (("budget", self.budget, total), ("active_budget", self.active_budget, active))
        found = tuple(
            f"{key}: {budget:g} is below the smallest expert, {experts[int(sizes.argmin())]}, which"
            f" has {sizes.min():g}."
            for key, budget, sizes in given
            if budget is not None and len(sizes) and budget < sizes.min()
        )
        return found or self._beside_the_general(experts)

    def _beside_the_general(self, experts: Sequence[str]) -> tuple[str, ...]:
        """The general expert is kept in any case; who has room beside it must be active enough."""
        general = self.coverage.general if self.coverage else None
        if general is None or general not in experts or self.budget is None:
            return ()
        total, active = self.sizes_of(experts)
        kept = total[experts.index(general)]
        beside = [
            size if name == general else size + kept
            for name, size in zip(experts, total, strict=True)
        ]
        room = np.array(beside) <= self.budget
        if kept > self.budget:
            return (
                f"budget: {self.budget:g} is below the general expert of `coverage`, {general},"
                f" which has {kept:g}.",
            )
        if self.active_budget is not None and active[room].min() > self.active_budget:
            return (
                f"active_budget: {self.active_budget:g} is below every expert that has room beside"
                f" the general one, {general}, in a budget of {self.budget:g}.",
            )
        return ()

    def check_sizes(self, experts: Sequence[str]) -> None:
        """Raise ConfigError where some experts have a size and others have none."""
        if without := [name for name in experts if not self._is_sized(name)]:
            raise ConfigError(
                f"sizes: {', '.join(without)} must have one, too.",
                hint="Without it the budget is not known to be kept.",
            )

    def _is_sized(self, expert: str) -> bool:
        return not self.sizes or expert in self.sizes

    def sizes_of(self, experts: Sequence[str]) -> tuple[Floats, Floats]:
        """[M] and [M]: the parameters of each expert, and those that work on a token."""
        total = [self.sizes.get(expert, 1.0) for expert in experts]
        active = [
            self.active_sizes.get(expert, size) for expert, size in zip(experts, total, strict=True)
        ]
        return np.array(total), np.array(active)
