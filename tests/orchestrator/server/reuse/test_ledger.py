"""Who may run a request with an `Idempotency-Key`, and what is kept of it."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.reuse.section import IdempotencyConfig
from orchestrator.request.reuse.shelf import Shelf
from orchestrator.server.reuse.ledger import Ledger, Record, record_of
from orchestrator.store.cache import Kept, Put
from orchestrator.store.memory_store import MemoryStore

HEADERS = st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple)


def ledger(store: Any, **keys: Any) -> Ledger:
    settings = IdempotencyConfig(**keys)
    return Ledger(Shelf(store, "requests", settings, "on this gateway alone"), settings)


@given(st.text(), st.none() | st.integers(100, 599), HEADERS, st.binary())
def test_any_record_comes_back_as_it_was(
    fingerprint: str, status: int | None, headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    record = Record(fingerprint, status, headers, body)
    assert record_of(record.to_bytes()) == record


@given(st.binary())
def test_anything_else_is_none(raw: bytes) -> None:
    assert record_of(raw) is None


async def test_one_of_two_gateways_may_run_it() -> None:
    store = MemoryStore()
    one, other = ledger(store), ledger(store)
    assert await one.claim("k", "f") is None
    assert await other.claim("k", "f") == Record("f")
    done = Record("f", 200, (("a", "b"),), b"x")
    await one.finish("k", done)
    assert await other.claim("k", "g") == done


async def test_what_has_failed_or_is_too_large_may_run_again() -> None:
    kept = ledger(MemoryStore(), max_entry_mb=0.001)
    for record in (None, Record("f", 200, (), b"x" * 2000)):
        assert await kept.claim("k", "f") is None
        await kept.finish("k", record)
    assert await kept.claim("k", "f") is None


class Counting(MemoryStore):
    """It tells when something was put the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = 0
        self.third = asyncio.Event()

    async def cache_put(self, cache: str, key: str, put: Put) -> Kept:
        self.puts += 1
        if self.puts == 3:
            self.third.set()
        return await super().cache_put(cache, key, put)


async def test_it_is_said_again_and_again_that_it_runs() -> None:
    store, over = Counting(), asyncio.Event()
    settings = IdempotencyConfig().model_copy(update={"claim_s": 0.01})
    kept = Ledger(Shelf(store, "requests", settings, ""), settings)
    holding = asyncio.create_task(kept.hold("k", "f", over))
    async with asyncio.timeout(10):
        await store.third.wait()
    over.set()
    await holding
