"""What the store knows of a request with an `Idempotency-Key`: that it runs, or its answer."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.config.reuse.section import IdempotencyConfig
from orchestrator.request.reuse.shelf import Shelf
from orchestrator.store.cache import MemoryCache, Put

REQUESTS = "requests"
"""The cache of the store."""
MOST_TRIES = 3
"""Records that come and go while they are looked at."""
Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Record:
    """One request; without a status it is under way."""

    fingerprint: str
    """Of its path and body."""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """A line of JSON, then the body."""
        head = [self.fingerprint, self.status, self.headers]
        return json.dumps(head).encode() + b"\n" + self.body


def record_of(raw: bytes) -> Record | None:
    """The opposite of `to_bytes`; None for what another version of Coterie has kept."""
    head, _, body = raw.partition(b"\n")
    try:
        fingerprint, status, headers = json.loads(head)
        told = tuple((str(name), str(value)) for name, value in headers)
        return Record(str(fingerprint), None if status is None else int(status), told, body)
    except (ValueError, TypeError):
        return None


class Ledger:
    """The records of all gateways; where the store is away, those of this one."""

    def __init__(self, shelf: Shelf, settings: IdempotencyConfig) -> None:
        self._shelf = shelf
        self._settings = settings
        self._own = MemoryCache()

    async def claim(self, key: str, fingerprint: str) -> Record | None:
        """What there is under the key; None where the request is ours to run, and claimed."""
        claim = Record(fingerprint).to_bytes()
        raw = self._own.get(key, time.monotonic())
        for _ in range(MOST_TRIES):
            if raw is not None and (found := record_of(raw)) is not None:
                return found
            done = await self._shelf.put(key, claim, self._settings.claim_s, only_new=True)
            if done is None or done.kept:
                return None
            raw = await self._shelf.get(key)
        return None

    async def hold(self, key: str, fingerprint: str, over: asyncio.Event) -> None:
        """Let nobody else take the request for one whose gateway has died, until it is over.

        It is never cancelled: a claim that is still on its way must not come after the answer.
        """
        claim = Record(fingerprint).to_bytes()
        while not over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.claim_s / 3):
                    await over.wait()
                    return
            await self._shelf.put(key, claim, self._settings.claim_s)

    async def finish(self, key: str, record: Record | None) -> None:
        """Keep the answer, or, without one, let a retry run."""
        settings = self._settings
        if record is None or len(record.body) > settings.max_entry_bytes:
            await self._shelf.drop(key)
            return
        value = record.to_bytes()
        if await self._shelf.put(key, value, settings.ttl_s) is None:
            put = Put(value, settings.ttl_s, settings.max_bytes)
            self._own.put(key, put, time.monotonic())
