"""Costs in the store: kept, found again, and garbage that is told and left alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from experts.errors import StoreError
from orchestrator.residency import cost_store
from orchestrator.residency.cost_store import CostStore, carry_costs, known_costs
from orchestrator.residency.machine.costs import Costs
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.opening import open_store


class DeafStore(MemoryStore):
    """It never answers."""

    async def get(self, key: str) -> Any:
        raise StoreError("nobody is at home")

    async def put(self, key: str, value: Any) -> None:
        raise StoreError("nobody is at home")


def _kept_in(store: Store) -> tuple[CostStore, list[str]]:
    events: list[str] = []
    return CostStore(store, events.append), events


async def test_what_was_measured_is_found_again() -> None:
    costs, store = Costs(), MemoryStore()
    kept, events = _kept_in(store)
    costs.measured("load_s", 4.0)
    await kept.keep("a", costs)
    assert await store.get("costs:a") == {"load_s": 4.0}
    found = Costs()
    await kept.recall("a", found)
    assert (found.load_s, found.known) == (4.0, {"load_s"})
    assert events == []


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
    store, costs = MemoryStore(), Costs()
    await store.put("costs:a", garbage)
    kept, events = _kept_in(store)
    await kept.recall("a", costs)
    assert costs.load_s == Costs().load_s
    assert len(events) == 1
    assert "costs:a" in events[0]


async def test_a_store_that_does_not_answer_is_told_and_nothing_else() -> None:
    costs = Costs()
    kept, events = _kept_in(DeafStore())
    await kept.recall("a", costs)
    costs.measured("load_s", 4.0)
    await kept.keep("a", costs)
    assert costs.load_s == 4.0
    assert ["nobody is at home" in event for event in events] == [True, True]


async def test_costs_are_carried_from_one_store_to_another(tmp_path: Path) -> None:
    source, target = (f"sqlite:{tmp_path / name}.db" for name in ("source", "target"))
    store = await open_store(source)
    costs = Costs()
    costs.measured("load_s", 4.0)
    costs.served(0.5, 0.0625)
    await CostStore(store, print).keep("a", costs)
    await store.close()
    await carry_costs(source, target, ("a", "b"))
    await carry_costs("memory", target, ("a",))
    found = await known_costs(target, ("a", "b"), print)
    measured = ["load_s", "service_s", "share_s"]
    costs_of_a = {"load_s": 4.0, "service_s": 0.5, "share_s": 0.0625, "weight": 8.0}
    assert found == {"a": {**costs_of_a, "measured": measured}}


async def test_what_has_changed_is_written_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_store, "KEPT_EVERY_S", 0.0)
    written = asyncio.Event()

    class Watched(MemoryStore):
        async def put(self, key: str, value: Any) -> None:
            await super().put(key, value)
            written.set()

    store, costs = Watched(), Costs()
    following = asyncio.create_task(CostStore(store, print).follow(lambda: [("a", costs)]))
    for load_s in (2.0, 4.0):
        costs.measured("load_s", load_s)
        written.clear()
        async with asyncio.timeout(5):
            await written.wait()
        assert (await store.get("costs:a"))["load_s"] == costs.load_s
    written.clear()
    for _ in range(9):
        await asyncio.sleep(0)
    assert not written.is_set(), "it has not changed"
    following.cancel()
