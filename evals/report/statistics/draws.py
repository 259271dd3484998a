"""Several draws of one question: pass@k and majority@n. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast, get_args

import numpy as np

from aggregators.answers.extraction import Kind, extract
from evals.report.statistics.intervals import Interval, interval
from evals.report.statistics.scores import RIGHT
from evals.runs.record import Row


@dataclass(frozen=True, slots=True)
class DrawScores:
    """What `draws` answers to each question are worth together; pass@k by k."""

    draws: int
    pass_at: dict[int, Interval]
    majority: Interval | None


def pass_at_k(draws: int, right: int, k: int) -> float:
    """The chance that one of `k` of the draws, taken without replacement, is right.

    The unbiased estimate 1 - C(n-c, k) / C(n, k) of M. Chen et al., "Evaluating Large Language
    Models Trained on Code" (arXiv 2107.03374), equation 1, as a product that cannot overflow.
    Raises ValueError unless 0 <= right <= draws and 1 <= k <= draws.
    """
    if not (0 <= right <= draws and 1 <= k <= draws):
        raise ValueError(f"pass@{k} of {right} right among {draws} draws")
    if draws - right < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(draws - right + 1, draws + 1)))


def majority(labels: Sequence[str | None], scores: Sequence[float]) -> float:
    """The mean score of the label that most draws say; tied labels count in equal parts.

    None, an answer that cannot be read, has no vote; 0 where no answer can be read.
    """
    votes: dict[str, list[float]] = {}
    for label, score in zip(labels, scores, strict=True):
        if label is not None:
            votes.setdefault(label, []).append(score)
    if not votes:
        return 0.0
    most = max(map(len, votes.values()))
    winners = [sum(own) / most for own in votes.values() if len(own) == most]
    return sum(winners) / len(winners)


def draw_scores(rows: Iterable[Row], scorer: str) -> DrawScores | None:
    """Score the rows of one subject and task; None unless questions have several draws.

    Questions with fewer draws than most (a run that is not finished) are left out. Answers are
    equal where their conclusions are, read as votes read them; formulas by their writing only.
    """
    rows = list(rows)
    if not any(row.draw for row in rows):
        return None
    by_question: dict[str, list[Row]] = {}
    for row in rows:
        by_question.setdefault(row.sample, []).append(row)
    draws = max(map(len, by_question.values()))
    if draws < 2:
        return None
    full = [own for own in by_question.values() if len(own) == draws]
    right = [sum(row.score >= RIGHT for row in own) for own in full]
    sizes = [*(2**power for power in range(draws.bit_length()) if 2**power < draws), draws]
    passes = {k: interval(np.array([pass_at_k(draws, c, k) for c in right])) for k in sizes}
    most = interval(np.array([_majority(own, scorer) for own in full]))
    return DrawScores(draws, {k: found for k, found in passes.items() if found}, most)


def _majority(rows: Sequence[Row], scorer: str) -> float:
    kind = cast(Kind, scorer) if scorer in get_args(Kind) else "text"
    labels = [None if row.error else extract(kind, row.answer) for row in rows]
    return majority(labels, [row.score for row in rows])
