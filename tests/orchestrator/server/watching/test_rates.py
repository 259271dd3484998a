"""What every expert answers per second."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.server.telemetry.metrics import Spent
from orchestrator.server.watching.rates import Rates

COUNTS = st.lists(st.integers(0, 100), min_size=1, max_size=6)


@given(calls=COUNTS, seconds=st.integers(1, 8))
def test_rates_add_up_to_what_was_counted(calls: list[int], seconds: int) -> None:
    now, counted = 0.0, {"a": Spent(7, 70)}
    rates = Rates(lambda: counted, lambda: now)
    total = 0.0
    for count in calls:
        now += seconds
        before = counted["a"]
        counted = {"a": Spent(before.calls + count, before.tokens + 10 * count)}
        found = rates.take()
        assert bool(found) is bool(count)
        if count:
            assert abs(found["a"]["tokens_s"] - 10 * count / seconds) < 0.001
            total += found["a"]["requests_s"] * seconds
    assert abs(total - sum(calls)) < 0.01 * len(calls)


def test_an_expert_that_is_new_counts_from_nothing_and_no_time_has_no_rates() -> None:
    now, counted = 1.0, dict[str, Spent]()
    rates = Rates(lambda: counted, lambda: now)
    counted = {"b": Spent(4, 8)}
    now = 3.0
    assert rates.take() == {"b": {"requests_s": 2.0, "tokens_s": 4.0}}
    assert rates.take() == {}
