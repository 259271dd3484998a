"""Asks every slot for what its engines count, as a page for /metrics."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping

import httpx

from orchestrator.server.telemetry.merging import merged

LOGGER = logging.getLogger("coterie.metrics")
PREFIX = "vllm:"
Address = tuple[str, str | None]
"""A slot's URL, and the token that it wants."""


class EngineScraper:
    """Scrapes slots when it is scraped; one that does not answer in time is left out."""

    def __init__(
        self,
        addresses: Callable[[], Mapping[str, Address]],
        client: httpx.AsyncClient,
        timeout_s: float,
    ) -> None:
        """`addresses` tells where the slots are that run now."""
        self._addresses = addresses
        self._client = client
        self._timeout_s = timeout_s
        self._silent: set[str] = set()
        self._failures: Counter[str] = Counter()

    def failed(self) -> Mapping[str, float]:
        """How often each slot did not answer."""
        return self._failures

    async def page(self) -> str:
        """Prometheus' text; empty where no engine counts anything."""
        addresses = self._addresses()
        pages = await asyncio.gather(*(self._ask(slot, *at) for slot, at in addresses.items()))
        found = {slot: page for slot, page in zip(addresses, pages, strict=True) if page}
        return merged(found, "slot", PREFIX)

    async def _ask(self, slot: str, url: str, token: str | None) -> str:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.get(f"{url}/metrics", headers=headers)
            answer.raise_for_status()
        except (httpx.HTTPError, TimeoutError) as error:
            self._failures[slot] += 1
            if slot not in self._silent:
                LOGGER.warning("%s does not tell its metrics (%s)", slot, type(error).__name__)
            self._silent.add(slot)
            return ""
        self._silent.discard(slot)
        return answer.text
