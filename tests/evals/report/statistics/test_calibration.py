"""Reliability of predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import Setting, rows

from evals.report.statistics.calibration import confidences, reliability
from evals.runs.record import Candidate, Routed, Row


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
def test_every_prediction_is_in_one_bin(pairs: list[tuple[float, int]]) -> None:
    predicted, right = zip(*pairs, strict=True)
    found = reliability("s", "w", predicted, right)
    assert found is not None
    assert sum(one.count for one in found.bins) == len(pairs) == found.count
    assert 0 <= found.error <= 1
    assert all(one.low - 1e-9 <= one.predicted <= one.high + 1e-9 for one in found.bins)
    assert all(one.right_low <= one.right <= one.right_high for one in found.bins)


def test_the_error_is_the_mean_distance_of_the_bins() -> None:
    found = reliability("s", "w", [0.85, 0.85, 0.85, 0.85, 0.15], [1, 0, 0, 0, 1])
    assert found is not None
    assert [(one.count, one.right) for one in found.bins] == [(1, 1.0), (4, 0.25)]
    assert found.error == pytest.approx((4 * 0.6 + 1 * 0.85) / 5)


def test_honest_predictions_have_a_small_error_and_bold_ones_a_large_one() -> None:
    rng = np.random.default_rng(2)
    chances = rng.random(20_000)
    right = (rng.random(20_000) < chances).astype(float)
    honest = reliability("s", "w", list(chances), list(right))
    bold = reliability("s", "w", [1.0] * 20_000, list(right))
    assert honest is not None
    assert bold is not None
    assert honest.error < 0.02
    assert bold.error == pytest.approx(0.5, abs=0.02)


def _row(**more: object) -> Row:
    return Row.model_validate(
        {"subject": "s", "task": "t", "sample": "1", "category": "c", "question": "q",
         "score": 1.0, **more}
    )  # fmt: skip


def test_a_router_is_held_to_what_it_said_of_those_who_were_asked() -> None:
    scores = {"a": 0.9, "b": 0.2, "c": 7.0}
    alone = _row(expert="a", routed=Routed(router="r", scores=scores))
    panel = _row(
        routed=Routed(router="r", scores=scores, panel=("a", "b", "c")),
        candidates=(
            Candidate(expert="a", text="", score=0.0),
            Candidate(expert="b", text="", score=0.0),
            Candidate(expert="c", text="", score=1.0),  # 7.0 is no prediction.
        ),
    )
    failed = _row(expert="a", routed=Routed(router="r", scores=scores), score=0.0, error="broke")
    [found] = confidences([alone, panel, failed])
    assert found.count == 3
    assert [(one.count, one.right) for one in found.bins] == [(1, 0.0), (2, 0.5)]


def test_a_made_up_run_has_both_kinds() -> None:
    found = confidences(rows(Setting(questions=12)))
    assert [(one.subject, one.source.split()[0]) for one in found] == [
        ("pool/council", "confidence"),
        ("pool/auto", "the"),
        ("pool/council", "the"),
    ]
    assert reliability("s", "w", [], []) is None
