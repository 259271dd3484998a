"""Quantiles of waits, and what a table of them says."""

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evals.benchmarks.slot.command import print_waits
from evals.benchmarks.slot.neighbours import Waits

SECONDS = st.lists(st.floats(0, 100), min_size=1)


@given(SECONDS, st.floats(0.01, 1))
def test_a_quantile_is_a_wait_that_enough_of_all_did_not_exceed(
    seconds: list[float], share: float
) -> None:
    found = Waits("a load", 1.0, tuple(seconds)).quantile(share)
    assert found in seconds
    assert sum(wait <= found for wait in seconds) >= share * len(seconds) - 1e-6


@pytest.mark.parametrize(("slowest", "code", "said"), [(1.4, 0, "ok"), (1.6, 1, "MISS")])
def test_a_wait_that_is_too_long_is_a_miss(slowest: float, code: int, said: str) -> None:
    out = StringIO()
    waits = [Waits("nothing", 1.0, (0.1,)), Waits("a load", 2.0, (0.1, slowest))]
    assert print_waits(Console(file=out, width=120), "quick", "slow", waits) == code
    line = next(line for line in out.getvalue().splitlines() if "beside a load:" in line)
    assert line.startswith(said)
