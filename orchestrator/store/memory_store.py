"""A store that forgets with the process."""

import json
import operator
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.store.base import Update, written
from orchestrator.store.cache import Kept, MemoryCache, Put
from orchestrator.store.draws import SWEPT_EVERY_S, Draw, Drawn, drawn
from orchestrator.store.sqlite_store import SqliteStore


class MemoryStore:
    """Values in memory; records, which may be many, in a private file that the system removes."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._logs = SqliteStore(None)
        self._counters: dict[str, tuple[int, float]] = {}
        self._swept = time.time()
        self._caches: defaultdict[str, MemoryCache] = defaultdict(MemoryCache)

    @property
    def forgotten(self) -> int:
        return 0

    async def get(self, key: str) -> Any:
        raw = self._values.get(key)
        return None if raw is None else json.loads(raw)

    async def put(self, key: str, value: Any) -> None:
        self._values[key] = written(value)

    async def put_all(self, values: Mapping[str, Any]) -> None:
        self._values.update({key: written(value) for key, value in values.items()})

    async def change(self, key: str, update: Update) -> Any:
        value = update(await self.get(key))
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = written(value)
        return value

    async def items(
        self, prefix: str, after: str | None = None, limit: int | None = None, newest: bool = False
    ) -> list[tuple[str, Any]]:
        keys = (key for key in self._values if key.startswith(prefix))
        follows = operator.lt if newest else operator.gt
        left = keys if after is None else (key for key in keys if follows(key, after))
        found = sorted(left, reverse=newest)[:limit]
        return [(key, json.loads(self._values[key])) for key in found]

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        now = time.time()
        if now >= self._swept + SWEPT_EVERY_S:
            self._swept = now
            kept = {name: entry for name, entry in self._counters.items() if entry[1] > now}
            self._counters = kept
        found: list[Drawn] = []
        for one in draws:
            total, until = self._counters.get(one.counter, (0, now))
            found.append(drawn(total if until > now else 0, one))
            self._counters[one.counter] = (found[-1].total, now + one.keep_s)
        return found

    async def add(self, log: str, records: Mapping[int, bytes]) -> int:
        return await self._logs.add(log, records)

    async def read(self, log: str, start: int, stop: int) -> list[tuple[int, bytes]]:
        return await self._logs.read(log, start, stop)

    async def numbers(self, log: str) -> frozenset[int]:
        return await self._logs.numbers(log)

    async def drop(self, log: str) -> None:
        await self._logs.drop(log)

    async def cache_get(self, cache: str, key: str) -> bytes | None:
        return self._caches[cache].get(key, time.time())

    async def cache_put(self, cache: str, key: str, put: Put) -> Kept:
        return self._caches[cache].put(key, put, time.time())

    async def cache_drop(self, cache: str, key: str) -> None:
        self._caches[cache].drop(key)

    async def close(self) -> None:
        self._values.clear()
        self._caches.clear()
        await self._logs.close()
