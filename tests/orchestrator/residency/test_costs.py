"""What moves and requests cost: measured, mixed, kept in the store and found there again."""

from typing import Any

import pytest

from orchestrator.residency.costs import NEWEST_SHARE, SERVICE_SHARE, CostEstimates
from orchestrator.residency.state import Costs
from orchestrator.store import MemoryStore, Store, StoreError


class DeafStore(MemoryStore):
    """It never answers."""

    async def get(self, key: str) -> Any:
        raise StoreError("nobody is at home")

    async def put(self, key: str, value: Any) -> None:
        raise StoreError("nobody is at home")


def _estimates(store: Store | None = None) -> tuple[CostEstimates, list[str]]:
    events: list[str] = []
    return CostEstimates("a", Costs(), store or MemoryStore(), events.append), events


@pytest.mark.parametrize("what", ["load_s", "wake_s", "leave_s", "service_s"])
def test_the_first_measurement_replaces_the_default(what: str) -> None:
    estimates, _ = _estimates()
    estimates.measured(what, 7.0)
    assert getattr(estimates.costs, what) == 7.0


@pytest.mark.parametrize(
    ("what", "share"),
    [("load_s", NEWEST_SHARE), ("leave_s", NEWEST_SHARE), ("service_s", SERVICE_SHARE)],
)
def test_later_ones_are_mixed_in(what: str, share: float) -> None:
    estimates, _ = _estimates()
    estimates.measured(what, 10.0)
    estimates.measured(what, 20.0)
    assert getattr(estimates.costs, what) == pytest.approx(10 + 10 * share)


def test_a_wake_is_taken_to_cost_what_a_load_does_until_it_is_measured() -> None:
    estimates, _ = _estimates()
    estimates.measured("load_s", 4.0)
    assert estimates.costs.wake_s == 4.0
    estimates.measured("load_s", 8.0)
    assert estimates.costs.wake_s == estimates.costs.load_s
    estimates.measured("wake_s", 1.0)
    estimates.measured("load_s", 8.0)
    assert estimates.costs.wake_s == 1.0


async def test_what_was_measured_is_found_again() -> None:
    store = MemoryStore()
    before, _ = _estimates(store)
    before.measured("load_s", 4.0)
    before.measured("service_s", 0.5)
    await before.keep()
    after, events = _estimates(store)
    await after.recall()
    assert (after.costs.load_s, after.costs.wake_s, after.costs.service_s) == (4.0, 4.0, 0.5)
    assert after.costs.leave_s == Costs().leave_s
    after.measured("load_s", 14.0)  # It is a later one.
    assert after.costs.load_s == pytest.approx(4 + 10 * NEWEST_SHARE)
    assert events == []


async def test_what_was_not_measured_is_not_kept() -> None:
    store = MemoryStore()
    estimates, _ = _estimates(store)
    estimates.measured("load_s", 4.0)
    await estimates.keep()
    assert await store.get("costs:a") == {"load_s": 4.0}


@pytest.mark.parametrize(
    "garbage",
    [
        [1, 2],
        "slow",
        7,
        {"load_s": "slow"},
        {"load_s": True},
        {"load_s": -1.0},
        {"load_s": float("nan")},
        {"load_s": float("inf")},
        {"load_s": 10**400},
        {"load_s": None},
    ],
)
async def test_garbage_in_the_store_is_told_and_the_defaults_stay(garbage: Any) -> None:
    store = MemoryStore()
    await store.put("costs:a", garbage)
    estimates, events = _estimates(store)
    await estimates.recall()
    assert estimates.costs.load_s == Costs().load_s
    assert len(events) == 1
    assert "costs:a" in events[0]


async def test_a_store_that_does_not_answer_is_told_and_nothing_else() -> None:
    estimates, events = _estimates(DeafStore())
    await estimates.recall()
    estimates.measured("load_s", 4.0)
    await estimates.keep()
    assert estimates.costs.load_s == 4.0
    assert ["nobody is at home" in event for event in events] == [True, True]
