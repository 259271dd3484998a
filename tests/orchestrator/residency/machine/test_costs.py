"""What loads and requests cost: measured, and mixed into running estimates."""

import pytest

from orchestrator.residency.machine.costs import FIELDS, NEWEST_SHARE, SERVICE_SHARE, Costs


@pytest.mark.parametrize("what", FIELDS)
def test_the_first_measurement_replaces_the_default(what: str) -> None:
    costs = Costs()
    costs.measured(what, 7.0)
    assert getattr(costs, what) == 7.0


@pytest.mark.parametrize("what", ["load_s", "leave_s"])
def test_later_ones_are_mixed_in(what: str) -> None:
    costs = Costs()
    costs.measured(what, 10.0)
    costs.measured(what, 20.0)
    assert getattr(costs, what) == pytest.approx(10 + 10 * NEWEST_SHARE)


def test_requests_of_which_there_are_many_count_for_less() -> None:
    costs = Costs()
    costs.served(10.0, 1.0)
    assert costs.service_s == 10.0
    costs.served(20.0, 1.0)
    assert costs.service_s == pytest.approx(10 + 10 * SERVICE_SHARE)


def test_requests_among_many_tell_what_one_among_many_takes() -> None:
    costs = Costs()
    for _ in range(100):
        costs.served(0.4, 0.004)
    for _ in range(100):  # Alone, each has the slot for itself.
        costs.served(0.06, 0.06)
    assert costs.share_s == pytest.approx(0.004, rel=0.2)


def test_a_wake_is_taken_to_cost_what_a_load_does_until_it_is_measured() -> None:
    costs = Costs()
    costs.measured("load_s", 4.0)
    assert costs.wake_s == 4.0
    costs.measured("load_s", 8.0)
    assert costs.wake_s == costs.load_s
    costs.measured("wake_s", 1.0)
    costs.measured("load_s", 8.0)
    assert costs.wake_s == 1.0


def test_what_was_measured_before_is_mixed_with_what_is_measured_now() -> None:
    before, after = Costs(), Costs()
    before.measured("load_s", 4.0)
    before.served(0.5, 0.0625)
    measured = {"load_s": 4.0, "service_s": 0.5, "share_s": 0.0625, "weight": 8.0}
    assert before.measurements() == measured
    after.recall(before.measurements())
    assert (after.load_s, after.wake_s, after.service_s) == (4.0, 4.0, 0.5)
    assert after.leave_s == Costs().leave_s
    after.measured("load_s", 14.0)
    assert after.load_s == pytest.approx(4 + 10 * NEWEST_SHARE)


def test_who_runs_alone_says_nothing_of_what_one_among_many_takes() -> None:
    costs = Costs()
    costs.served(0.5, 0.5)
    assert costs.known == {"service_s"}


def test_few_requests_are_recalled_as_few() -> None:
    before, after = Costs(), Costs()
    for _ in range(5):
        before.served(2.0, 0.4)
    after.recall(before.measurements())
    for _ in range(10):
        after.served(0.4, 0.004)
    assert after.share_s < 0.02, "ten of a hundred at once outweigh five of five"


def test_until_a_drain_was_seen_it_takes_as_long_as_a_request() -> None:
    costs = Costs()
    costs.served(3.0, 0.1)
    assert (costs.finishing_s, costs.measurements().get("drain_s")) == (3.0, None)
    costs.drained(1.0)
    costs.drained(2.0)
    assert costs.finishing_s == pytest.approx(1.0 + NEWEST_SHARE)
    after = Costs()
    after.recall(costs.measurements())
    assert after.finishing_s == costs.finishing_s
