"""Whether predicted chances come true: bins, and the expected calibration error. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.report.statistics.scores import RIGHT
from evals.reporting.intervals import accuracy
from evals.runs.record import Row

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions in `low`..`high`: their mean, and how often they were right, with 95 %."""

    low: float
    high: float
    count: int
    predicted: float
    right: float
    right_low: float
    right_high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """One source of predictions; `bins` leaves the empty ones out."""

    subject: str
    source: str
    count: int
    error: float
    """The expected calibration error: the mean distance of `predicted` and `right`."""
    brier: float
    bins: tuple[Bin, ...]


def reliability(
    subject: str, source: str, predicted: Sequence[float], right: Sequence[float]
) -> Reliability | None:
    """Compare predictions in 0..1 with outcomes in 0..1; None where there are none.

    Ten bins of equal width; the error weighs them by their counts (M. P. Naeini et al., AAAI 2015;
    C. Guo et al., arXiv 1706.04599). It is a little above 0 even for perfect predictions.
    """
    if not predicted:
        return None
    p, y = np.asarray(predicted, float), np.asarray(right, float)
    places = np.minimum((p * BINS).astype(int), BINS - 1)
    bins = []
    for place in range(BINS):
        own = places == place
        if count := int(own.sum()):
            share = accuracy(float(y[own].sum()), count)
            edges = place / BINS, (place + 1) / BINS
            bins.append(Bin(*edges, count, float(p[own].mean()), share.mean, share.low, share.high))
    error = sum(one.count * abs(one.predicted - one.right) for one in bins) / len(p)
    return Reliability(subject, source, len(p), error, float(((p - y) ** 2).mean()), tuple(bins))


def confidences(rows: Iterable[Row]) -> list[Reliability]:
    """The confidences of compositions, and what their routers predicted for those asked.

    A router's prediction is compared with the score of the expert that it is about: that of a
    candidate where it has one, else that of the answer. Scores outside 0..1 are no predictions.
    """
    answers: dict[str, list[tuple[float, float]]] = {}
    routers: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.confidence is not None:
            right = float(row.score >= RIGHT)
            answers.setdefault(row.subject, []).append((row.confidence, right))
        routers.setdefault(row.subject, []).extend(_predictions(row))
    named = (("confidence of the answer", answers), ("the router's prediction", routers))
    found = [
        reliability(subject, source, *zip(*pairs, strict=True))
        for source, by_subject in named
        for subject, pairs in by_subject.items()
        if pairs
    ]
    return [one for one in found if one is not None]


def _predictions(row: Row) -> list[tuple[float, float]]:
    if row.routed is None or row.error is not None:
        return []
    scored = {c.expert: c.score for c in row.candidates if c.score is not None}
    if not scored and row.expert is not None:
        scored = {row.expert: row.score}
    return [
        (predicted, right)
        for expert, right in scored.items()
        if (predicted := _of(row.routed.scores, expert)) is not None
    ]


def _of(scores: Mapping[str, float], expert: str) -> float | None:
    value = scores.get(expert)
    return value if value is not None and 0 <= value <= 1 else None
