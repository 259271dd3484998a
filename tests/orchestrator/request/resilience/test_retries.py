"""Which failed calls are made again, and after which pause."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import (
    BadOutput,
    ExpertError,
    ExpertLost,
    ExpertMisconfigured,
    ExpertRefused,
    ExpertTimeout,
)
from orchestrator.config.model import ServerConfig
from orchestrator.request.resilience.retries import Retries

LOST = ExpertLost("It broke.", expert="a")
THREE = Retries(times=3, pause_s=0.1, pause_max_s=2.0)


def _refused(status: int, retry_after_s: float | None = None) -> ExpertRefused:
    return ExpertRefused("No.", expert="a", status=status, body={}, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (LOST, True),
        (_refused(500), True),
        (_refused(503, 1.0), True),
        (_refused(503, 30.0), False),  # Too long to be waited for here.
        (_refused(429, 1.0), True),
        (_refused(429), False),
        (_refused(400), False),
        (ExpertTimeout("Silent.", expert="a"), False),  # It would be so again.
        (BadOutput("No JSON.", expert="a"), False),
        (ExpertMisconfigured("Its key.", expert="a"), False),
    ],
)
def test_only_what_may_pass_in_a_moment_is_tried_again(error: ExpertError, again: bool) -> None:
    assert (THREE.pause(error, 1, 0.5, ours=False) is not None) is again


def test_the_configuration_says_how_often_and_how_long() -> None:
    assert Retries.of(ServerConfig(retries=2, retry_pause_s=0.5)) == Retries(2, 0.5, 2.0)


def test_pauses_double_and_end_with_the_tries() -> None:
    pauses = [THREE.pause(LOST, failed, 1.0, ours=False) for failed in range(1, 5)]
    assert pauses == [pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.4), None]


def test_an_expert_of_ours_that_was_lost_needs_no_pause() -> None:
    assert THREE.pause(LOST, 1, 1.0, ours=True) == 0.0
    assert THREE.pause(_refused(500), 1, 1.0, ours=True) == pytest.approx(0.1)


@given(
    st.integers(1, 5000),
    st.floats(0, 1),
    st.one_of(st.none(), st.floats(0, 130)),
    st.floats(0, 10),
    st.booleans(),
)
def test_a_pause_is_within_its_bounds_and_the_requests_time(
    failed: int, draw: float, told_s: float | None, left_s: float, ours: bool
) -> None:
    retries = Retries(5000, 0.1, 2.0)
    error = _refused(503, told_s)
    pause_s = retries.pause(error, failed, draw, ours=ours, left_s=left_s)
    if pause_s is None:
        assert (told_s or 0.0) + 2.0 >= left_s or (told_s or 0.0) > 2.0
    else:
        assert (told_s or 0.0) <= pause_s <= (told_s or 0.0) + 2.0
        assert pause_s < left_s
    assert retries.pause(error, 5001, draw, ours=ours, left_s=math.inf) is None
