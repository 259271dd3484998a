"""Panels and experts over several tasks, each counted alike: scores, calls, tokens and prices."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evals.benchmarks.routing.served import Asked, Pool, Scores
from evals.reporting.intervals import Accuracy, accuracy_of, combined


@dataclass(frozen=True, slots=True)
class Means:
    """Of one model; scores are in 0..1, with a 95 % interval."""

    score: float
    low: float
    high: float
    calls: float
    """Of experts, for a question."""
    tokens: float
    """Read and written by all experts, for a question."""
    price: float
    """USD of a thousand questions."""
    beside: Mapping[str, Accuracy]
    """By expert: how much more this model scores on the same questions."""


def skills(pool: Pool) -> tuple[str, ...]:
    """The tasks that ask for one expert's skill; where none does, those that are not foreign."""
    owned = tuple(task for task in pool.tasks if task in pool.owned)
    return owned or tuple(task for task in pool.tasks if task not in pool.foreign) or pool.tasks


def means(pool: Pool, name: str) -> Means:
    """Of an expert or a composition."""
    one, tasks = _asked(pool, name), skills(pool)
    score, low, high = combined([accuracy_of(one.scores[task]) for task in tasks])
    beside = {name: _difference(one, other, tasks) for name, other in pool.experts.items()}
    calls, tokens, price = (_mean(part, tasks) for part in (one.calls, one.tokens, one.prices))
    return Means(score, low, high, calls, tokens, 1000 * price, beside)


def best_expert(pool: Pool) -> str:
    """The one that scores most in the mean of the tasks."""
    return max(pool.experts, key=lambda name: _mean(pool.experts[name].scores, skills(pool)))


def best_vote(pool: Pool, tokens: float) -> str | None:
    """The vote that scores most of those that need no more tokens; None where all need more.

    Of equal ones the cheapest.
    """
    found = {name: means(pool, name) for name in pool.votes}
    cheap = [name for name, own in found.items() if own.tokens <= tokens]
    return max(cheap, key=lambda n: (round(found[n].score, 9), -found[n].tokens), default=None)


def same_answers(pool: Pool) -> list[list[str]]:
    """Groups of compositions that cannot be told apart by their answers and calls.

    Equal rows look like a finding, and are more often one panel under several names.
    """
    groups: list[list[str]] = []
    for name, one in pool.compositions.items():
        for group in groups:
            other = pool.compositions[group[0]]
            if one.texts and one.texts == other.texts and _calls(one) == _calls(other):
                group.append(name)
                break
        else:
            groups.append([name])
    return [group for group in groups if len(group) > 1]


def _calls(one: Asked) -> dict[str, list[float]]:
    return {task: values.tolist() for task, values in one.calls.items()}


def _asked(pool: Pool, name: str) -> Asked:
    return pool.experts[name] if name in pool.experts else pool.compositions[name]


def _difference(one: Asked, other: Asked, tasks: tuple[str, ...]) -> Accuracy:
    parts = [accuracy_of(one.scores[task] - other.scores[task], signed=True) for task in tasks]
    return Accuracy(*combined(parts), sum(part.count for part in parts))


def _mean(values: Mapping[str, Scores], tasks: tuple[str, ...]) -> float:
    return float(np.mean([values[task].mean() for task in tasks]))
