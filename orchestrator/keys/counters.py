"""The counters that gateways share, in the store, which may be away for a while."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from experts.errors import StoreError
from orchestrator.config.keys.limits_section import LimitsConfig
from orchestrator.keys.meter import Meter
from orchestrator.store.base import Store

LOGGER = logging.getLogger("coterie.keys")


@dataclass(slots=True)
class Counters:
    """The counters in the store, and what this gateway knows of how it is."""

    store: Store
    settings: LimitsConfig
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _away_until: float = field(default=float("-inf"), init=False)
    _is_away: bool = field(default=False, init=False)

    async def draw(self, key: str, needs: Mapping[int, tuple[Meter, int]]) -> list[Meter] | None:
        """Draw for some meters of a key at once, which must not be drawn for meanwhile.

        Returns those that got nothing; None where the store does not answer.
        """
        if self.monotonic() < self._away_until:
            return None
        asked = [(meter, meter.draw(key, need), meter.window) for meter, need in needs.values()]
        try:
            async with asyncio.timeout(self.settings.store_timeout_s):
                got = await self.store.draw([draw for _, draw, _ in asked])
        except (StoreError, TimeoutError) as error:
            self._gone(error)
            for meter, draw, window in asked:
                if meter.window == window:
                    meter.failed(draw)
            return None
        if self._is_away:
            LOGGER.warning("the store answers again: limits are those of all gateways together")
            self._is_away = False
        dry_until = self.clock() + self.settings.ask_again_s
        for (meter, draw, window), result in zip(asked, got, strict=True):
            if meter.window == window:  # What was drawn in an earlier one is of no use.
                meter.drew(draw, result, dry_until)
        pairs = zip(asked, got, strict=True)
        return [meter for (meter, draw, _), one in pairs if draw.least and not one.granted]

    def _gone(self, error: Exception) -> None:
        self._away_until = self.monotonic() + self.settings.store_retry_s
        if not self._is_away:
            why = str(error) or f"no answer within {self.settings.store_timeout_s:g} s"
            LOGGER.warning("limits of keys count on this gateway alone until it answers: %s", why)
        self._is_away = True
