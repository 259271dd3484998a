"""Quality against price on held-out questions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routers.fitted.cross_validation import SCORE_DIGITS, HeldOut
from routers.fitted.pricing import best_within, price_curve
from routers.fitted.training_set import Floats, TrainingSet
from routers.outcomes import Query


def setting(scores: Floats) -> tuple[TrainingSet, HeldOut]:
    queries = tuple(Query(str(n), "t", str(n)) for n in range(len(scores)))
    names = tuple(f"e{n}" for n in range(scores.shape[1]))
    training_set = TrainingSet(queries, names, np.zeros((len(scores), 2), np.float32), scores, "e")
    means = np.broadcast_to(scores.mean(axis=0), scores.shape)
    return training_set, HeldOut(scores, means, np.full(len(scores), np.nan), np.ones(scores.shape))


def test_half_the_price_for_what_the_cheap_one_knows() -> None:
    scores = np.array([[1.0, 1.0], [1.0, 0.0]])
    curve = price_curve(*setting(scores), 1.0, np.array([10.0, 1.0]))
    assert (curve[0].price, curve[0].quality) == (10.0, 1.0)
    found = best_within(curve, 6.0)
    assert found is not None
    assert (found.price, found.quality) == (5.5, 1.0)
    assert best_within(curve, 0.5) is None


@given(arrays(float, (12, 3), elements=st.floats(0, 1)), arrays(float, 3, elements=st.floats(0, 9)))
def test_a_lower_weight_never_costs_more(scores: Floats, prices: Floats) -> None:
    curve = price_curve(*setting(scores), 1.0, prices)
    costs = [one.price for one in curve]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(costs))
    assert curve[0].quality == pytest.approx(scores.max(axis=1).mean(), abs=10**-SCORE_DIGITS)
