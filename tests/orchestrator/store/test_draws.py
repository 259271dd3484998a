"""Counters: what every store grants, and that nobody gets more than there is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.base import Store
from orchestrator.store.draws import SWEPT_EVERY_S, Draw, Drawn, drawn
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.sqlite_store import SqliteStore

AMOUNTS = st.integers(-50, 50)


async def test_a_counter_grants_up_to_its_limit(store: Store) -> None:
    async def draw(**keys: int) -> Drawn:
        (found,) = await store.draw([Draw("grants", 10, **keys)])
        return found

    assert await draw(least=4, most=6) == Drawn(6, 6)
    assert await draw(least=5, most=9) == Drawn(0, 6)
    assert await draw(least=2, most=9) == Drawn(4, 10)
    assert await draw(least=1, most=1) == Drawn(0, 10)
    assert await draw(owed=-3) == Drawn(0, 7)
    assert await draw(owed=5) == Drawn(0, 12)
    assert await draw(owed=-100) == Drawn(0, 0)


async def test_large_numbers_stay_whole(store: Store) -> None:
    large = 10**15 + 7
    assert await store.draw([Draw("large", large, least=1, most=large)]) == [Drawn(large, large)]
    assert await store.draw([Draw("large", large, owed=-1)]) == [Drawn(0, large - 1)]


async def test_several_counters_are_drawn_from_at_once(store: Store) -> None:
    both = [Draw("several/a", 3, least=2, most=2), Draw("several/b", 1, least=2, most=2)]
    assert await store.draw(both) == [Drawn(2, 2), Drawn(0, 0)]
    assert await store.draw([both[1], both[0]]) == [Drawn(0, 0), Drawn(0, 2)]


async def test_no_two_gateways_get_the_same(store_url: str, stores: Any) -> None:
    first = await stores(store_url)
    second = first if store_url == "memory" else await stores(store_url)
    one = [Draw("shared", 30, least=1, most=1)]
    results = await asyncio.gather(*(s.draw(one) for s in (first, second) for _ in range(25)))
    assert sum(result.granted for (result,) in results) == 30
    assert max(result.total for (result,) in results) == 30


@pytest.mark.parametrize("kind", [MemoryStore, lambda: SqliteStore(None)])
async def test_a_counter_is_forgotten_in_time(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now, store = 1e9, kind()
    monkeypatch.setattr(time, "time", lambda: now)
    kept = Draw("kept", 5, owed=3, keep_s=1000)
    await store.draw([kept, Draw("gone", 5, owed=3, keep_s=10)])
    now += 11
    assert await store.draw([Draw("gone", 5, owed=1, keep_s=10)]) == [Drawn(0, 1)]
    now += SWEPT_EVERY_S + 11
    assert await store.draw([Draw("kept", 5, owed=1)]) == [Drawn(0, 4)]
    await store.close()


@given(st.integers(0, 99), st.integers(0, 99), AMOUNTS, st.integers(0, 50), st.integers(0, 50))
def test_a_grant_stays_below_the_limit(
    total: int, limit: int, owed: int, least: int, more: int
) -> None:
    found = drawn(total, Draw("any", limit, owed, least, least + more))
    before = max(0, total + owed)
    assert found.total == before + found.granted
    assert found.granted == 0 or (least <= found.granted <= least + more and found.total <= limit)
    assert found.granted > 0 or not least or before + least > limit
