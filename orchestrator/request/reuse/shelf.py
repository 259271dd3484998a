"""One cache of the store, as those who use it see it: where the store is away, it is empty."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from experts.errors import StoreError
from orchestrator.config.reuse.section import KeptSection
from orchestrator.store.base import Store
from orchestrator.store.cache import Kept, Put

LOGGER = logging.getLogger("coterie.reuse")
Found = TypeVar("Found")


@dataclass(slots=True)
class Shelf:
    """Puts and gets; never raises for a store that is away, and says once that it is."""

    store: Store
    name: str
    settings: KeptSection
    without: str
    """What it means that the store is away, for the log."""
    monotonic: Callable[[], float] = time.monotonic
    stored: int = field(default=0, init=False)
    evicted: int = field(default=0, init=False)
    total_bytes: int = field(default=0, init=False)
    """In the store, when something was put there last."""
    _away_until: float = field(default=float("-inf"), init=False)
    _is_away: bool = field(default=False, init=False)

    async def get(self, key: str) -> bytes | None:
        """The value; None for none, and where the store is away."""
        return await self._answer(lambda: self.store.cache_get(self.name, key))

    async def put(
        self, key: str, value: bytes, ttl_s: float, *, only_new: bool = False
    ) -> Kept | None:
        """Keep a value; None where the store is away."""
        put = Put(value, ttl_s, self.settings.max_bytes, only_new)
        done = await self._answer(lambda: self.store.cache_put(self.name, key, put))
        if done is not None:
            self.stored += done.kept
            self.evicted += done.evicted
            self.total_bytes = done.total_bytes
        return done

    async def drop(self, key: str) -> None:
        """Forget a value."""
        await self._answer(lambda: self.store.cache_drop(self.name, key))

    async def _answer(self, call: Callable[[], Awaitable[Found]]) -> Found | None:
        if self.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(self.settings.store_timeout_s):
                found = await call()
        except (StoreError, TimeoutError) as error:
            self._gone(error)
            return None
        if self._is_away:
            LOGGER.warning("the store answers again (%s)", self.name)
            self._is_away = False
        return found

    def _gone(self, error: Exception) -> None:
        self._away_until = self.monotonic() + self.settings.store_retry_s
        if not self._is_away:
            why = str(error) or f"no answer within {self.settings.store_timeout_s:g} s"
            LOGGER.warning("%s until the store answers: %s", self.without, why)
        self._is_away = True
