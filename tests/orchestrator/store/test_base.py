"""What every store promises: changes in one step, and records that are kept once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.sqlite_store import SqliteStore


def counted(value: Any) -> Any:
    return (value or 0) + 1


async def test_a_change_sees_what_is_there(store: Store) -> None:
    assert await store.change("changed", lambda value: [value]) == [None]
    assert await store.change("changed", lambda value: [*value, 2]) == [None, 2]
    assert await store.get("changed") == [None, 2]
    assert await store.change("changed", lambda value: None) is None
    assert await store.get("changed") is None


async def test_a_change_that_fails_changes_nothing(store: Store) -> None:
    await store.put("fails", 1)
    with pytest.raises(ZeroDivisionError):
        await store.change("fails", lambda value: value / 0)
    assert await store.get("fails") == 1
    await store.put("fails", 2)
    assert await store.get("fails") == 2


async def test_no_change_is_lost(store_url: str, stores: Any) -> None:
    """Two gateways with the same store, each with many changes at once."""
    first = await stores(store_url)
    second = first if store_url == "memory" else await stores(store_url)
    both = [store.change("counted", counted) for store in (first, second) for _ in range(25)]
    await asyncio.gather(*both)
    assert await second.get("counted") == 50


async def test_whoever_is_cancelled_ends(store: Store) -> None:
    """At whatever step of a call that comes; else its loop goes on, and who stops it waits."""

    async def forever() -> None:
        while True:
            await store.put("held", 1)
            await asyncio.sleep(0)

    for steps in range(40):
        task = asyncio.create_task(forever())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=2)
        task.cancel()
        assert ended, f"cancelled after {steps} steps, it goes on"


async def test_keys_are_found_by_how_they_begin(store: Store) -> None:
    for key in ("found:b", "found:a", "found:ä/\u2028", "foundling", "fou"):
        await store.put(key, 1)
    await store.change("found:c", lambda value: 1)
    await store.change("found:b", lambda value: None)
    found = await store.items("found:")
    assert found == [("found:a", 1), ("found:c", 1), ("found:ä/\u2028", 1)]
    assert await store.items("nothing") == []


async def test_all_values_are_kept_together(store: Store) -> None:
    await store.put("all:a", 1)
    await store.put_all({"all:a": 2, "all:b": [3]})
    assert await store.items("all:") == [("all:a", 2), ("all:b", [3])]


async def test_a_list_is_read_in_pages(store: Store) -> None:
    for name in ("paged/", "paged:a/", "paged:ab/"):
        await store.put_all({f"{name}{number:03}": number for number in range(600)})
    keys = [f"paged:a/{number:03}" for number in range(600)]

    async def page(*given: Any) -> list[str]:
        return [key for key, _ in await store.items("paged:a/", *given)]

    assert await page() == keys
    assert await page(None, None, True) == keys[::-1]
    assert await page(keys[3], 4) == keys[4:8]
    assert await page(keys[3], 9, True) == [keys[2], keys[1], keys[0]]
    assert await page("paged:a/0035", 1) == [keys[4]]  # Nothing is there any more.
    assert await page("paged:a/0035", 1, True) == [keys[3]]
    assert await page(keys[-1], 5) == []
    assert await page(None, 0) == []


async def test_the_first_record_of_a_number_stays(store: Store) -> None:
    assert await store.add("kept", {3: b"c", 0: b"a"}) == 2
    assert await store.add("kept", {3: b"other", 4: bytes(range(256))}) == 1
    assert await store.read("kept", 0, 10) == [(0, b"a"), (3, b"c"), (4, bytes(range(256)))]
    assert await store.read("kept", 1, 4) == [(3, b"c")]
    assert await store.numbers("kept") == {0, 3, 4}
    assert await store.add("kept", {}) == 0
    await store.drop("kept")
    assert await store.numbers("kept") == frozenset()


async def test_logs_are_apart(store: Store) -> None:
    await store.add("one", {0: b"1"})
    await store.add("two", {0: b"2"})
    await store.drop("one")
    assert await store.read("two", 0, 1) == [(0, b"2")]
    assert await store.get("two") is None


async def test_a_long_log_is_read_in_order(store: Store) -> None:
    await store.add("long", {number: b"x" * 1000 for number in range(1000)})
    assert [number for number, _ in await store.read("long", 5, 995)] == list(range(5, 995))


async def test_another_service_finds_what_was_kept(store_url: str, stores: Any) -> None:
    if store_url == "memory":
        pytest.skip("It forgets.")
    first = await stores(store_url)
    await first.put("next", [1])
    await first.add("next", {7: b"x"})
    await first.close()
    second = await stores(store_url)
    assert await second.get("next") == [1]
    assert await second.read("next", 0, 8) == [(7, b"x")]


RECORDS = st.dictionaries(st.integers(0, 9), st.binary(max_size=3))


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=6), st.integers(0, 9), st.integers(0, 12))
async def test_any_records_are_those_of_a_dictionary(
    adds: list[Mapping[int, bytes]], start: int, stop: int
) -> None:
    store, known = MemoryStore(), dict[int, bytes]()
    for records in adds:
        new = {number: record for number, record in records.items() if number not in known}
        assert await store.add("any", records) == len(new)
        known |= new
    wanted = sorted(pair for pair in known.items() if start <= pair[0] < stop)
    assert await store.read("any", start, stop) == wanted
    await store.close()


KEYS = st.text("ab/", max_size=3)


@settings(deadline=None)
@given(
    st.dictionaries(KEYS, st.integers()),
    KEYS,
    st.none() | KEYS,
    st.none() | st.integers(0, 4),
    st.booleans(),
)
async def test_any_page_is_that_of_a_sorted_list(
    values: Mapping[str, int], prefix: str, after: str | None, limit: int | None, newest: bool
) -> None:
    after = None if after is None else prefix + after
    wanted = [pair for pair in sorted(values.items(), reverse=newest) if pair[0].startswith(prefix)]
    if after is not None:
        wanted = [pair for pair in wanted if (pair[0] < after if newest else pair[0] > after)]
    for store in (MemoryStore(), SqliteStore(None)):
        await store.put_all(values)
        assert await store.items(prefix, after, limit, newest) == wanted[:limit]
        await store.close()
