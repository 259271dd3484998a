"""Whether the store keeps what it is given: written, read back, and removed."""

import secrets
import time

from experts.errors import CoterieError
from orchestrator.cli.doctor.finding import Finding, fault, ok, warning
from orchestrator.config.checks import unusable_store
from orchestrator.config.model import Config
from orchestrator.config.server_section import ServerConfig
from orchestrator.keys.counters import Counters
from orchestrator.keys.ring import KeyRing
from orchestrator.store.base import Store
from orchestrator.store.opening import MEMORY, open_store
from orchestrator.store.urls import redacted

SLOW_MS = 20.0
"""For one writing and one reading: requests with limits and caches wait for it."""
KEY = "doctor"


async def check_store(config: Config) -> tuple[Finding, int]:
    """Try it; returns also how many API keys in it are not revoked."""
    url = config.store
    if url == MEMORY:
        advice = "Set `store` to sqlite:FILE, or to redis://HOST:PORT/DB for several gateways."
        return warning("store", "memory: a restart forgets costs, keys and batches", advice), 0
    name = redacted(url) if "://" in url else url
    if problems := unusable_store(url):
        return fault("store", " ".join(problems), "Correct `store`, or make its folder."), 0
    try:
        store = await open_store(url)
    except CoterieError as error:
        return fault("store", error.message, error.hint or "Start it, or correct `store`."), 0
    try:
        return await _try(store, name), await _keys_in(store, config.server)
    except CoterieError as error:
        return fault("store", f"{name}: {error.message}", error.hint or "Look at its own log."), 0
    finally:
        await store.close()


async def _try(store: Store, name: str) -> Finding:
    key, value = f"{KEY}:{secrets.token_hex(8)}", secrets.token_hex(8)
    began = time.perf_counter()
    await store.put(key, value)
    read = await store.get(key)
    took_ms = (time.perf_counter() - began) * 1000
    await store.change(key, lambda _: None)
    return judged(name, value, read, took_ms)


async def _keys_in(store: Store, server: ServerConfig) -> int:
    stored = await KeyRing(server, Counters(store, server.limits)).stored()
    return sum(key.revoked is None for key in stored.values())


def judged(name: str, written: str, read: object, took_ms: float) -> Finding:
    """What it means that this was read where that was written."""
    if read != written:
        advice = "Is something else writing there, or is it a replica that lags behind?"
        return fault("store", f"{name} does not give back what was written", advice)
    found = f"{name}: written and read back in {took_ms:.1f} ms"
    if took_ms > SLOW_MS:
        return warning("store", found, "Bring it nearer: it is asked for limits, keys and caches.")
    return ok("store", found)
