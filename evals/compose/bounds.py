"""What an answer may cost, and which of the compositions tried keep to it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.compose.answers.matrix import Matrix
from evals.compose.composition import Composition
from evals.compose.replay import Played, Replay
from experts.errors import ConfigError

SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Tried:
    """A composition with its means over some questions."""

    composition: Composition
    accuracy: float
    calls: float
    most_calls: int
    """On any of the questions."""
    price: float
    """NaN where prices are not known, as are the others."""
    seconds: float
    tokens: float
    memory_gb: float
    """Of all experts that are asked at all."""
    asked: frozenset[str]

    @property
    def rank(self) -> tuple[float, ...]:
        """The larger the better: more right, then fewer calls, cheaper, smaller."""
        costs = (self.calls, self.price, self.memory_gb, self.seconds)
        return (round(self.accuracy, 9), *(-round(np.nan_to_num(cost), 9) for cost in costs))


def tried(replay: Replay, composition: Composition) -> Tried:
    """Play a composition and keep the means."""
    return summary(replay.matrix, composition, replay.play(composition))


def summary(matrix: Matrix, composition: Composition, played: Played) -> Tried:
    """The means of what a composition did."""
    return Tried(
        composition,
        float(played.scores.mean()),
        float(played.calls.mean()),
        int(played.calls.max()),
        float(played.prices.mean()),
        float(played.seconds.mean()),
        float(played.tokens.mean()),
        float(matrix.memory_gb[played.asked].sum()),
        frozenset(np.array(matrix.experts)[played.asked].tolist()),
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a composition may cost; None is no bound."""

    price: float | None = None
    """Mean price of a question."""
    calls: float | None = None
    """Mean calls of a question."""
    panel: float | None = None
    """Calls of any question."""
    seconds: float | None = None
    """Mean seconds of a question, under the load of the run that asked."""
    memory_gb: float | None = None
    """Of all experts that it may ask, loaded together."""

    @property
    def named(self) -> dict[str, tuple[str, float]]:
        """The option of each bound that is set, with the field of `Tried` and its limit."""
        options = {
            "--max-price": ("price", self.price),
            "--max-calls": ("calls", self.calls),
            "--max-panel": ("most_calls", self.panel),
            "--max-seconds": ("seconds", self.seconds),
            "--max-loaded-gb": ("memory_gb", self.memory_gb),
        }
        return {name: (field, most) for name, (field, most) in options.items() if most is not None}

    def __str__(self) -> str:
        told = [f"{name} {most:g}" for name, (_, most) in self.named.items()]
        return " ".join(told) or "no bounds"

    def excess(self, one: Tried) -> float:
        """By how many times the bounds are exceeded, all together; 0 within them."""
        over: list[float] = [
            getattr(one, field) / max(most, SLACK) - 1 for field, most in self.named.values()
        ]
        return sum(max(0.0, part) for part in over if part > SLACK)

    def check(self, matrix: Matrix) -> None:
        """Raise ConfigError for a bound on what is not known, or that no expert alone keeps to."""
        known = {"price": matrix.prices, "seconds": matrix.seconds, "memory_gb": matrix.memory_gb}
        for option, (field, most) in self.named.items():
            if not math.isfinite(most):
                raise ConfigError(f"{option}: {most} is not a bound.")
            if field in known and np.isnan(known[field]).any():
                raise ConfigError(
                    f"{option}: this is not known of every expert here.",
                    hint="Leave the option out, or use answers for which it was recorded.",
                )
            if field in known:
                each = np.atleast_2d(known[field]).mean(axis=0)
                self._reachable(option, most, dict(zip(matrix.experts, each.tolist(), strict=True)))

    def _reachable(self, option: str, most: float, each: Mapping[str, float]) -> None:
        """No composition takes less than the expert that takes least."""
        least = min(each, key=lambda expert: each[expert])
        if each[least] / max(most, SLACK) - 1 > SLACK:
            raise ConfigError(
                f"{option} {most:g}: no expert alone keeps to it, so no composition does.",
                hint=f"The nearest is {least}: it needs {option} {_above(each[least]):g}.",
            )

    def best(self, found: Sequence[Tried]) -> Tried:
        """The best within the bounds. Raises ConfigError, with the nearest, where none is."""
        within = [one for one in found if not self.excess(one)]
        if within:
            return max(within, key=lambda one: one.rank)
        nearest = min(found, key=lambda one: (self.excess(one), [-part for part in one.rank]))
        needed = " ".join(
            f"{option} {_above(getattr(nearest, field)):g}"
            for option, (field, _) in self.named.items()
        )
        raise ConfigError(
            f"None of {len(found)} compositions keeps to {self}.",
            hint=f"The nearest is {nearest.composition}: it needs {needed}.",
        )


def _above(value: float) -> float:
    """A number with few digits that is not below the value."""
    if value <= 0:
        return 0.0
    scale = 10.0 ** (math.floor(math.log10(value)) - 3)
    return math.ceil(value / scale - SLACK) * scale
