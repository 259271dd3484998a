"""Keeps the measured costs of engines in the store, so that a restart does not forget them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from experts.errors import StoreError
from orchestrator.residency.machine.costs import Costs
from orchestrator.store.base import Store
from orchestrator.store.opening import MEMORY, open_store

logger = logging.getLogger("coterie.residency")

KEPT_EVERY_S = 10.0
MAX_S = 1e9
"""Nothing takes longer than this: a larger number in the store is something else."""


class CostStore:
    """Reads and writes the costs of engines by name."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say

    async def recall(self, engine: str, costs: Costs) -> None:
        """Take over what an earlier run has measured."""
        key = _key(engine)
        try:
            kept = await self._store.get(key)
        except StoreError as error:
            self._complain(f"The costs of {engine} could not be read from the store: {error}")
            return
        if kept is None:
            return
        if not isinstance(kept, dict) or not all(map(_is_seconds, kept.values())):
            self._complain(f"The store's entry {key} does not hold an engine's costs.")
            return
        costs.recall(kept)

    async def keep(self, engine: str, costs: Costs) -> None:
        """Write what has been measured."""
        try:
            await self._store.put(_key(engine), costs.measurements())
        except StoreError as error:
            self._complain(f"The costs of {engine} could not be stored: {error}")

    async def follow(self, engines: Callable[[], Iterable[tuple[str, Costs]]]) -> None:
        """Write what has changed, now and then: a process that is killed writes nothing more."""
        kept = dict[str, dict[str, float]]()
        while True:
            await asyncio.sleep(KEPT_EVERY_S)
            for name, costs in tuple(engines()):
                found = costs.measurements()
                if found != kept.get(name):
                    await self.keep(name, costs)
                    kept[name] = found

    def _complain(self, words: str) -> None:
        logger.warning(words)
        self._say(words)


async def known_costs(
    url: str, engines: Iterable[str], say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Engine -> what earlier runs have measured, as a pool tells of it; without the unknown.

    Raises ServiceError where the store cannot be opened.
    """
    found = {}
    async with _opened(url) as store:
        for name in engines:
            costs = Costs()
            await CostStore(store, say).recall(name, costs)
            if costs.known:
                found[name] = {**costs.measurements(), "measured": sorted(costs.known)}
    return found


async def carry_costs(source: str, target: str, engines: Iterable[str]) -> None:
    """What one store knows of engines is known to another one, too; memory knows nothing.

    Raises ServiceError, StoreError.
    """
    if MEMORY in (source, target):
        return
    async with _opened(source) as known, _opened(target) as kept:
        for name in engines:
            if (costs := await known.get(_key(name))) is not None:
                await kept.put(_key(name), costs)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()


def _key(engine: str) -> str:
    return f"costs:{engine}"


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_S
