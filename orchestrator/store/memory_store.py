"""A store that forgets with the process."""

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.store.base import Update, written
from orchestrator.store.sqlite_store import SqliteStore


class MemoryStore:
    """Values in memory; records, which may be many, in a private file that the system removes."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._logs = SqliteStore(None)

    async def get(self, key: str) -> Any:
        raw = self._values.get(key)
        return None if raw is None else json.loads(raw)

    async def put(self, key: str, value: Any) -> None:
        self._values[key] = written(value)

    async def change(self, key: str, update: Update) -> Any:
        value = update(await self.get(key))
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = written(value)
        return value

    async def items(self, prefix: str) -> list[tuple[str, Any]]:
        found = sorted(pair for pair in self._values.items() if pair[0].startswith(prefix))
        return [(key, json.loads(raw)) for key, raw in found]

    async def add(self, log: str, records: Mapping[int, bytes]) -> int:
        return await self._logs.add(log, records)

    async def read(self, log: str, start: int, stop: int) -> list[tuple[int, bytes]]:
        return await self._logs.read(log, start, stop)

    async def numbers(self, log: str) -> frozenset[int]:
        return await self._logs.numbers(log)

    async def drop(self, log: str) -> None:
        await self._logs.drop(log)

    async def close(self) -> None:
        self._values.clear()
        await self._logs.close()
