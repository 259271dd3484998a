"""A cache whose store goes away and comes back: it is asked now and then, and the log says so."""

from __future__ import annotations

import asyncio

import pytest

from experts.errors import StoreError
from orchestrator.config.reuse.section import CacheConfig
from orchestrator.request.reuse.shelf import Shelf
from orchestrator.store.memory_store import MemoryStore


class Flaky(MemoryStore):
    """It answers, refuses, or is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.silent = False
        self.asked = 0

    async def cache_get(self, cache: str, key: str) -> bytes | None:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return await super().cache_get(cache, key)


async def test_what_is_kept_is_counted() -> None:
    shelf = Shelf(MemoryStore(), "a", CacheConfig(max_mb=0.001), "nothing is kept")
    for key in "abcd":
        await shelf.put(key, b"x" * 100, 9)
    assert (shelf.stored, shelf.evicted, shelf.total_bytes) == (4, 2, 712)
    assert [await shelf.get(key) is not None for key in "abcd"] == [False, False, True, True]
    await shelf.drop("d")
    assert await shelf.get("d") is None


@pytest.mark.parametrize("how", ["refuses", "is silent"])
async def test_a_store_that_is_away(how: str, caplog: pytest.LogCaptureFixture) -> None:
    store, now = Flaky(), 100.0
    settings = CacheConfig(store_timeout_s=0.01, store_retry_s=5)
    shelf = Shelf(store, "a", settings, "nothing is kept", lambda: now)
    await shelf.put("k", b"v", 60)
    store.silent = how == "is silent"
    store.error = StoreError("no")
    assert [await shelf.get("k") for _ in "123"] == [None] * 3
    assert await shelf.put("k", b"w", 60) is None
    assert store.asked == 1
    now += 5.1
    assert await shelf.get("k") is None
    assert store.asked == 2
    store.error, store.silent, now = None, False, now + 5.1
    assert await shelf.get("k") == b"v"
    assert caplog.text.count("nothing is kept until the store answers") == 1
    assert caplog.text.count("the store answers again (a)") == 1
