"""How often a load lets others step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.vllm.turns.pace import EVERY_S, Pace


@given(st.floats(0.0001, 2.0), st.floats(0.0001, 0.1))
def test_a_load_takes_at_most_twice_as_long_as_alone(turn_s: float, part_s: float) -> None:
    pace, now, turns, parts = Pace(), 0.0, 0, 500
    pace.begins(now)
    for _ in range(parts):
        if pace.allows(now):
            turns += 1
            pace.took(now, now := now + turn_s)
        now += part_s
    alone_s = parts * part_s
    assert now == pytest.approx(alone_s + turns * turn_s)
    assert now <= 2 * alone_s + turn_s
    assert turns <= alone_s / EVERY_S


def test_between_two_turns_is_as_much_time_as_the_first_took() -> None:
    pace = Pace()
    pace.begins(0.0)
    assert [pace.allows(0.0), pace.allows(EVERY_S)] == [False, True]
    pace.took(EVERY_S, 1.0)
    assert [pace.allows(1.5), pace.allows(2.0)] == [False, True]
