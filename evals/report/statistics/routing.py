"""Who was chosen for what, and whether a router uses its pool: the routing audit. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.report.statistics.intervals import Floats
from evals.report.statistics.scores import TaskScores
from evals.reporting.intervals import accuracy, accuracy_of
from evals.reporting.numbers import counted
from evals.runs.record import Row

CROWDED = 0.9
"""The share of two experts above which the others are hardly used."""
AUDITED_QUESTIONS = 10
"""Questions that a category needs before an expert is called its best."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The choices of one composition.

    `chosen` maps category -> expert -> answers, in parts where several were called for one;
    `shares` maps each expert of the pool to its share of all answers. `effective` is the number
    of experts that equal shares would give the same entropy: 2 to the power of `entropy_bits`.
    """

    subject: str
    answers: int
    chosen: Mapping[str, Mapping[str, float]]
    shares: Mapping[str, float]
    entropy_bits: float
    effective: float
    fallbacks: int
    warnings: tuple[str, ...]


def parts(row: Row) -> dict[str, float]:
    """Whose answer it is: one expert's, or those that were really called, weighted by their calls.

    Who a panel names and nobody asked has no part; nor have calls for something else than an
    answer to the question, as to a tagger, where the row tells its answers apart.
    """
    if row.expert is not None:
        return {row.expert: 1.0}
    called = Counter(one.expert for one in row.candidates)
    if not called:
        own = {e: n for e, n in row.calls.items() if n and e != row.subject}
        called = Counter(own or [e for e in row.tokens if e != row.subject])
    return {expert: count / called.total() for expert, count in called.items()}


def audit(
    subject: str, rows: Iterable[Row], pool: Sequence[str], tasks: Sequence[TaskScores]
) -> Audit | None:
    """Audit a composition's rows; None where no answer is known to be of an expert.

    `pool` names the experts that could have been chosen; `tasks` has the scores of those that
    were asked alone, by which an expert is called the best of a category.
    """
    chosen: dict[str, dict[str, float]] = {}
    questions: set[tuple[str, str]] = set()
    answers = fallbacks = 0
    for row in rows:
        fallbacks += row.routed is not None and row.routed.fallback is not None
        own = parts(row)
        if own:
            answers += 1
            questions.add((row.task, row.sample))
        for expert, part in own.items():
            of_category = chosen.setdefault(row.category, {})
            of_category[expert] = of_category.get(expert, 0.0) + part
    if not answers:
        return None
    names = list(dict.fromkeys((*pool, *(e for own in chosen.values() for e in own))))
    shares = {e: sum(own.get(e, 0.0) for own in chosen.values()) / answers for e in names}
    bits = max(0.0, -sum(share * math.log2(share) for share in shares.values() if share > 0))
    warnings = (*_crowded(shares, len(questions)), *_overlooked(subject, shares, tasks))
    return Audit(subject, answers, chosen, shares, bits, 2**bits, fallbacks, warnings)


def _crowded(shares: Mapping[str, float], questions: int) -> Iterable[str]:
    """Surely crowded: the whole interval of the share is above the bound."""
    first, second, *others = [*sorted(shares, key=lambda e: -shares[e]), "", ""]
    share = shares[first] + shares.get(second, 0.0)
    if any(others) and accuracy(min(share, 1.0) * questions, questions).low > CROWDED:
        who = f"{first} and {second}" if shares.get(second) else first
        verb = "get" if shares.get(second) else "gets"
        yield (
            f"{who} {verb} {100 * share:.0f} % of all answers, in a pool of {len(shares)} experts"
            f" ({counted(questions, 'question')})"
        )


def _overlooked(
    subject: str, shares: Mapping[str, float], tasks: Sequence[TaskScores]
) -> Iterable[str]:
    """Experts that are surely better at something than the composition, which never asks them."""
    for category, scores in _by_category(tasks).items():
        alone = {e: float(one.mean()) for e, one in scores.items() if e in shares}
        order = sorted(alone, key=lambda e: -alone[e])
        if subject not in scores or len(order) < 2 or alone[order[0]] == alone[order[1]]:
            continue
        best = order[0]
        gain = accuracy_of(scores[best] - scores[subject], signed=True)
        if shares[best] == 0 and gain.low > 0:
            yield (
                f"{best} is never chosen, though it is the best at {category}:"
                f" {100 * alone[best]:.0f} % right, {subject} {100 * scores[subject].mean():.0f} %"
                f" ({counted(gain.count, 'question')})"
            )


def _by_category(tasks: Sequence[TaskScores]) -> dict[str, dict[str, Floats]]:
    """The scores of everyone in each category, on the questions that everyone has."""
    values: dict[str, list[dict[str, float]]] = {}
    for task in tasks:
        table = np.column_stack(list(task.columns.values()))
        for place in np.flatnonzero(~np.isnan(table).any(axis=1)):
            scores = dict(zip(task.columns, map(float, table[place]), strict=True))
            values.setdefault(task.categories[place], []).append(scores)
    return {
        category: {e: np.array([one[e] for one in own]) for e in _in_all(own)}
        for category, own in values.items()
        if len(own) >= AUDITED_QUESTIONS
    }


def _in_all(scores: Sequence[Mapping[str, float]]) -> list[str]:
    """Who was asked in every task that has the category."""
    return [one for one in scores[0] if all(one in own for own in scores)]
