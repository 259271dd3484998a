"""The matrix of recorded models: tables under a path prefix, as `coterie eval routers` reads."""

import numpy as np

from evals.compose.answers.matrix import Matrix, known_or_nothing, numbered
from evals.runs.recorded import Recorded

GB_PER_BILLION = 2.0
"""Of weights in 16 bits."""


def from_recorded(recorded: Recorded) -> Matrix:
    """What the models answered to the questions that all of them were asked."""
    rows = recorded.complete
    shape = (len(rows), len(recorded.models))
    billions = np.array([recorded.sizes.get(model, np.nan) for model in recorded.models])
    prices = known_or_nothing(recorded.prices[rows])
    return Matrix(
        tuple(recorded.queries[row] for row in rows),
        recorded.groups[rows],
        recorded.models,
        recorded.scores[rows],
        np.array([numbered(recorded.answers[row]) for row in rows], dtype=int).reshape(shape),
        prices,
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        known_or_nothing(GB_PER_BILLION * billions),
        prices.mean(axis=0) if len(rows) else np.ones(shape[1]),
        recorded.unit,
        recorded.kind,
        ("recorded",) * len(recorded.models),
        left_out=len(recorded.queries) - len(rows),
    )
