"""Fitting a cascade's thresholds to a wanted price or accuracy. Pure, except for the file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experts.errors import ConfigError

Floats = NDArray[np.float64]
NEVER = 2.0
"""A threshold that no confidence reaches."""
STEPS = 24
"""Thresholds tried for each expert."""
MOST_GRID = 20_000
ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Measured:
    """Every expert of a cascade on every question: arrays [questions, experts].

    The experts are in the order in which they are asked.
    """

    confidences: Floats
    """In 0..1."""
    scores: Floats
    """In 0..1."""
    prices: Floats
    """Of a call, in USD."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Thresholds of all experts but the last, and the accuracy and price they would have had."""

    thresholds: tuple[float, ...]
    accuracy: float
    price: float
    shares: tuple[float, ...]
    """For each expert, the share of questions on which its answer was taken."""


def play(measured: Measured, thresholds: Sequence[float]) -> Cascade:
    """Accuracy and price of a cascade with these thresholds on the measured questions."""
    count, experts = measured.scores.shape
    if experts == 1:
        alone = measured.scores.mean(), measured.prices.mean()
        return Cascade((), float(alone[0]), float(alone[1]), (1.0,))
    sure = measured.confidences[:, :-1] >= np.asarray(thresholds)
    taken = np.where(sure.any(axis=1), sure.argmax(axis=1), experts - 1)
    spent = measured.prices.cumsum(axis=1)[np.arange(count), taken]
    scores = measured.scores[np.arange(count), taken]
    shares = np.bincount(taken, minlength=experts) / count
    return Cascade(
        tuple(map(float, thresholds)),
        float(scores.mean()),
        float(spent.mean()),
        tuple(shares.tolist()),
    )


def fit(
    measured: Measured, max_price: float | None = None, min_accuracy: float | None = None
) -> Cascade:
    """The most accurate cascade for a mean price, or the cheapest of an accuracy, or the best.

    Among equally good ones the cheaper, then the stricter. Raises ConfigError where none fits.
    """
    candidates = [_candidates(column) for column in measured.confidences[:, :-1].T]
    size = int(np.prod([len(one) for one in candidates]))
    if size <= MOST_GRID:
        tried = [play(measured, thresholds) for thresholds in product(*candidates)]
        return _best(tried, max_price, min_accuracy)
    return _climb(measured, candidates, max_price, min_accuracy)


def _climb(
    measured: Measured,
    candidates: Sequence[Sequence[float]],
    max_price: float | None,
    min_accuracy: float | None,
) -> Cascade:
    """Coordinate descent from "always the first expert" and from "always the last one"."""
    seen: list[Cascade] = []
    for start in ([0.0] * len(candidates), [NEVER] * len(candidates)):
        now = list(start)
        for _ in range(ROUNDS):
            for place, options in enumerate(candidates):
                tried = [
                    play(measured, [*now[:place], option, *now[place + 1 :]]) for option in options
                ]
                seen += tried
                try:
                    now = list(_best(tried, max_price, min_accuracy).thresholds)
                except ConfigError:
                    continue
    return _best(seen, max_price, min_accuracy)


def _candidates(column: Floats) -> list[float]:
    quantiles = np.quantile(column, np.linspace(0, 1, STEPS))
    return [0.0, *np.unique(quantiles.round(6)).tolist(), NEVER]


def _best(tried: Sequence[Cascade], max_price: float | None, min_accuracy: float | None) -> Cascade:
    fitting = [
        one
        for one in tried
        if (max_price is None or one.price <= max_price + 1e-12)
        and (min_accuracy is None or one.accuracy >= min_accuracy - 1e-12)
    ]
    if not fitting:
        raise ConfigError(
            f"No thresholds fit: prices are {min(one.price for one in tried):.3g} to"
            f" {max(one.price for one in tried):.3g}, accuracies"
            f" {min(one.accuracy for one in tried):.3f} to"
            f" {max(one.accuracy for one in tried):.3f}."
        )
    if min_accuracy is not None:
        return min(
            fitting, key=lambda one: (one.price, -one.accuracy, tuple(-t for t in one.thresholds))
        )
    return max(fitting, key=lambda one: (one.accuracy, -one.price, one.thresholds))


def write(path: Path, experts: Sequence[str], signal: str, found: Cascade) -> None:
    """Write thresholds as JSON, with their expected accuracy and price.

    `experts` is the order that they were fitted for; empty where it depends on the question.
    """
    tree = {
        "signal": signal,
        "experts": list(experts),
        "accept": list(found.thresholds),
        "expected": {
            "accuracy": found.accuracy,
            "price_usd": found.price,
            "shares": list(found.shares),
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def read(path: Path, experts: Sequence[str], signal: str) -> tuple[float, ...]:
    """Read thresholds, by place in the order; they must be for this signal and these experts.

    Raises ConfigError.
    """
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
        accept = tuple(float(value) for value in tree["accept"])
        fitted_for, order = tree["signal"], list(tree["experts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"The thresholds {path} cannot be read ({error}).",
            hint="`coterie cascade fit` writes them.",
        ) from error
    if fitted_for != signal:
        raise ConfigError(f"The thresholds {path} were fitted for the signal {fitted_for}.")
    if experts and order and order != list(experts):
        raise ConfigError(f"The thresholds {path} were fitted for {', '.join(order)}.")
    return accept
