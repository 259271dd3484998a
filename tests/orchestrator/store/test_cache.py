"""Caches of stores: bounded in bytes and in time, what was used last stays, on every kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis.asyncio as redis
from hypothesis import given
from hypothesis import strategies as st
from redis_process import RedisServer

from experts.errors import StoreError
from orchestrator.store.base import Store
from orchestrator.store.cache import ENTRY_BYTES, Kept, MemoryCache, Put
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.redis_store import CACHES
from orchestrator.store.sqlite_store import SqliteStore

MUCH = 1 << 20


def sized(count: int) -> int:
    """Room for so many values of one byte."""
    return count * (1 + ENTRY_BYTES)


async def test_what_is_put_is_got_until_it_is_dropped(store: Store) -> None:
    assert await store.cache_get("got", "a") is None
    put = Put(b"\x00\xff", 60, MUCH)
    assert await store.cache_put("got", "a", put) == Kept(True, 0, put.size)
    assert await store.cache_get("got", "a") == b"\x00\xff"
    assert await store.cache_get("other", "a") is None
    await store.cache_drop("got", "a")
    await store.cache_drop("got", "a")
    assert await store.cache_get("got", "a") is None
    assert await store.cache_put("got", "b", put) == Kept(True, 0, put.size)


async def test_a_new_value_takes_the_place_of_the_old_one(store: Store) -> None:
    await store.cache_put("place", "a", Put(b"long" * 9, 60, MUCH))
    assert await store.cache_put("place", "a", Put(b"x", 60, MUCH)) == Kept(True, 0, sized(1))
    assert await store.cache_get("place", "a") == b"x"


async def test_only_what_is_new_is_kept_where_that_is_asked(store: Store) -> None:
    assert (await store.cache_put("new", "a", Put(b"1", 60, MUCH, only_new=True))).kept
    assert await store.cache_put("new", "a", Put(b"2", 60, MUCH, only_new=True)) == Kept(
        False, 0, sized(1)
    )
    assert await store.cache_get("new", "a") == b"1"


async def test_what_was_not_used_for_longest_leaves(store: Store) -> None:
    room = sized(2)
    for key in "ab":
        await store.cache_put("used", key, Put(b"x", 60, room))
    assert await store.cache_get("used", "a") == b"x"
    assert await store.cache_put("used", "c", Put(b"x", 60, room)) == Kept(True, 1, room)
    assert [await store.cache_get("used", key) for key in "abc"] == [b"x", None, b"x"]
    assert await store.cache_put("used", "d", Put(b"x", 60, sized(1))) == Kept(True, 2, sized(1))


async def test_what_is_too_large_is_not_kept_and_nothing_leaves(store: Store) -> None:
    await store.cache_put("large", "a", Put(b"x", 60, sized(1)))
    assert await store.cache_put("large", "b", Put(b"xx", 60, sized(1))) == Kept(False, 0, sized(1))
    assert await store.cache_get("large", "a") == b"x"


@pytest.mark.parametrize("kind", [MemoryStore, lambda: SqliteStore(None)])
async def test_what_is_too_old_is_not_there(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now, store = 1e9, kind()
    monkeypatch.setattr(time, "time", lambda: now)
    await store.cache_put("old", "a", Put(b"1", 10, MUCH))
    now += 9.9
    assert await store.cache_get("old", "a") == b"1"
    now += 0.2
    assert await store.cache_get("old", "a") is None
    assert (await store.cache_put("old", "a", Put(b"2", 10, MUCH, only_new=True))).kept
    await store.close()


async def test_redis_forgets_values_by_itself_and_counts_them_no_more(
    stores: Any, redis_url: str
) -> None:
    store = await stores(redis_url)
    value = f"{CACHES}expires:value:a"
    await store.cache_put("expires", "a", Put(b"1", 60, MUCH))
    async with redis.from_url(redis_url) as client:
        left = [await client.pttl(f"{CACHES}expires:{p}") for p in ("value:a", "used", "bytes")]
        assert all(59_000 < one <= 60_000 for one in left)
        await client.pexpire(value, 0)
    assert await store.cache_get("expires", "a") is None
    assert await store.cache_put("expires", "b", Put(b"1", 60, MUCH)) == Kept(True, 0, sized(1))


async def test_two_gateways_have_one_cache(store_url: str, stores: Any) -> None:
    first = await stores(store_url)
    second = first if store_url == "memory" else await stores(store_url)
    await first.cache_put("shared", "a", Put(b"1", 60, MUCH))
    assert await second.cache_get("shared", "a") == b"1"
    assert not (await second.cache_put("shared", "a", Put(b"2", 60, MUCH, only_new=True))).kept


async def test_a_full_redis_still_answers(
    start_redis: Callable[..., RedisServer], stores: Any
) -> None:
    server = start_redis()
    store = await stores(server.url)
    await store.cache_put("full", "a", Put(b"1", 60, MUCH))
    server.tell("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreError):
        await store.cache_put("full", "b", Put(b"1", 60, MUCH))
    assert await store.cache_get("full", "a") == b"1"
    await store.cache_drop("full", "a")
    assert await store.cache_get("full", "a") is None


class Model:
    """What a cache promises, in the plainest words: a list, the one used last at its end."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, bytes, float]] = []

    def get(self, key: str, now: float) -> bytes | None:
        found = [one for one in self.entries if one[0] == key and one[2] > now]
        if found:
            self.entries.remove(found[0])
            self.entries.append(found[0])
        return found[0][1] if found else None

    def put(self, key: str, put: Put, now: float) -> bool:
        if put.size > put.max_bytes or (put.only_new and self.get(key, now) is not None):
            return False
        self.entries = [one for one in self.entries if one[0] != key]
        self.entries.append((key, put.value, now + put.ttl_s))
        while sum(len(value) + ENTRY_BYTES for _, value, _ in self.entries) > put.max_bytes:
            self.entries.pop(0)
        return True


KEYS = st.sampled_from("abcd")
PUTS = st.builds(
    Put,
    st.binary(max_size=400),
    st.integers(1, 9),
    st.sampled_from([300, 900, 1500]),
    st.booleans(),
)
STEPS = st.lists(st.tuples(st.integers(0, 3), KEYS, st.none() | PUTS), max_size=25)


@given(STEPS)
async def test_any_use_of_a_cache_is_that_of_the_model(
    steps: list[tuple[int, str, Put | None]],
) -> None:
    model, memory, sqlite, now = Model(), MemoryCache(), SqliteStore(None), 1e9
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now)
        for passes, key, put in steps:
            now += passes
            if put is None:
                wanted = model.get(key, now)
                assert memory.get(key, now) == wanted
                assert await sqlite.cache_get("any", key) == wanted
                continue
            kept = memory.put(key, put, now)
            assert kept.kept == model.put(key, put, now)
            assert kept.total_bytes <= put.max_bytes or not kept.kept
            assert (await sqlite.cache_put("any", key, put)).kept == kept.kept
    await sqlite.close()
