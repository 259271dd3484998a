"""How far, and how long still."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.client.pace import Pace, span


def test_the_time_left_follows_from_the_pace_so_far() -> None:
    pace = Pace(100.0)
    pace.update("asking", 0, 200, 110.0)
    pace.update("asking", 50, 200, 130.0)

    assert pace.left_s(130.0) == 60.0
    assert pace.told(130.0) == "25 %, about 60 s left"


def test_a_slow_step_does_not_make_the_time_left_grow() -> None:
    pace = Pace(0.0)
    pace.update("fitting", 0, 4, 0.0)
    pace.update("fitting", 1, 4, 10.0)
    assert [pace.left_s(now) for now in (10.0, 15.0, 20.0, 99.0)] == [30.0, 25.0, 20.0, 20.0]


def test_nothing_is_foretold_from_nothing() -> None:
    pace = Pace(0.0)
    pace.update("asking", 0, 200, 0.0)
    assert pace.told(30.0) == "0 %"
    pace.update("asking", 50, 200, 0.5)
    assert pace.told(0.5) == "25 %"


def test_without_a_total_the_time_so_far_is_told() -> None:
    pace = Pace(0.0)
    pace.update("loading", 0, None, 10.0)
    pace.update("loading", 0, None, 20.0)
    assert pace.told(50.0) == "40 s so far"
    pace.update("embedding", 0, None, 50.0)
    assert pace.told(51.0) == "1 s so far"


def test_the_next_piece_of_work_has_a_pace_of_its_own() -> None:
    pace = Pace(0.0)
    assert pace.update("asking a", 1, 10, 0.0)
    assert not pace.update("asking a, still", 10, 10, 9.0)
    assert pace.update("asking b", 1, 10, 9.0)
    pace.update("asking b", 3, 10, 29.0)
    assert pace.left_s(29.0) == 70.0
    assert pace.update("asking c", 3, 9, 30.0)


def test_work_that_turns_up_on_the_way_is_the_same_piece() -> None:
    pace = Pace(0.0)
    pace.update("asking", 0, 10, 0.0)
    assert not pace.update("asking", 5, 20, 5.0)
    assert pace.left_s(5.0) == 15.0


@given(
    st.lists(st.tuples(st.integers(0, 50), st.none() | st.integers(0, 50), st.floats(0, 1e6))),
    st.floats(0, 1e6),
)
def test_whatever_is_told_can_be_said(
    steps: list[tuple[int, int | None, float]], later: float
) -> None:
    now = 0.0
    pace = Pace(now)
    for done, total, passed in steps:
        now += passed
        pace.update("work", done, total, now)
        assert pace.told(now + later)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (99.4, "99 s"), (100, "2 min"), (5_900, "98 min"), (12_000, "3 h 20 min")],
)
def test_times_are_said_in_words(seconds: float, said: str) -> None:
    assert span(seconds) == said
