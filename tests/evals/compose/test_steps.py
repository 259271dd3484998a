"""One progress over many steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.compose.steps import SCALE, Steps


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 20)), min_size=1, max_size=8))
def test_it_rises_to_the_end_whatever_the_steps_tell(parts: list[tuple[float, int]]) -> None:
    told: list[int] = []
    steps = Steps(lambda text, done, total: told.append(done), [effort for effort, _ in parts])
    for _, total in parts:
        doing = steps.next()
        for done in (*range(total), 0, total):  # One step begins anew.
            doing("x", done, total)
    assert told == sorted(told)
    assert told[0] >= 0
    assert told[-1] <= SCALE


def test_efforts_are_shares_and_words_are_kept() -> None:
    told: list[tuple[str, int, int]] = []
    steps = Steps(lambda *words: told.append(words), [3.0, 1.0])
    steps.next("search 1: ")("fitting", 1, 2)
    inner = Steps(steps.next(), [1.0, 1.0])
    inner.next()("replaying", 0, 4)
    inner.next()("replaying", 2, 4)
    assert told == [
        ("search 1: fitting", 3750, SCALE),
        ("replaying", 7500, SCALE),
        ("replaying", 9375, SCALE),
    ]
    with pytest.raises(IndexError):
        steps.next()
