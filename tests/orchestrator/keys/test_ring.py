"""Keys of the configuration and of the store: who is known, from when on, and until when."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest

from experts.errors import ConfigError, NameTaken, StoreError, UnknownObject
from orchestrator.config.keys.section import KeyTerms, hash_of
from orchestrator.config.server_section import ServerConfig
from orchestrator.keys.book import PREFIX, KeyBook
from orchestrator.keys.counters import Counters
from orchestrator.keys.listing import listed
from orchestrator.keys.ring import KeyRing
from orchestrator.store.memory_store import MemoryStore

TERMS = KeyTerms(models=["pool/*"], tokens_per_day=5, **{"class": "batch"})


def ring(store: Any, **server: Any) -> KeyRing:
    settings = ServerConfig.model_validate(server)
    return KeyRing(settings, Counters(store, settings.limits))


async def test_a_key_that_was_made_opens_until_it_is_revoked() -> None:
    keys = ring(MemoryStore())
    assert not keys.locks
    secret = await keys.create("ann", TERMS)
    found = keys.find(secret.encode())
    assert found is not None
    assert (found.name, found.terms.request_class, found.may_ask("tiny")) == ("ann", "batch", False)
    assert keys.find(secret.encode() + b"x") is None
    assert keys.find(hash_of(secret.encode()).encode()) is None  # The hash opens nothing.
    await keys.revoke("ann")
    assert keys.find(secret.encode()) is None
    assert keys.locks  # Or whoever revokes the last key would open the service to everybody.
    assert keys.is_revoked("ann")
    assert not keys.is_revoked("nobody")


async def test_a_key_has_256_random_bits_that_are_kept_nowhere() -> None:
    store = MemoryStore()
    made = [await ring(store).create(name, KeyTerms()) for name in ("a", "b")]
    assert all(re.fullmatch(r"sk-coterie-[\w-]{43}", secret) for secret in made)
    kept = str(await store.items(""))
    assert not any(secret in kept or secret[11:] in kept for secret in made)
    assert all(hash_of(secret.encode()) in kept for secret in made)


async def test_a_name_has_one_key_at_a_time() -> None:
    keys = ring(MemoryStore(), api_keys={"own": {"key": "sk-own"}})
    first = await keys.create("ann", KeyTerms())
    for name in ("ann", "own"):
        with pytest.raises(NameTaken):
            await keys.create(name, KeyTerms())
    await keys.revoke("ann")
    second = await keys.create("ann", KeyTerms())
    assert keys.find(first.encode()) is None
    assert keys.find(second.encode()) is not None


async def test_what_cannot_be_revoked() -> None:
    keys = ring(MemoryStore(), api_keys={"own": {"key": "sk-own"}})
    with pytest.raises(UnknownObject, match="no key `nobody`"):
        await keys.revoke("nobody")
    with pytest.raises(NameTaken, match=r"server\.api_keys\.own"):
        await keys.revoke("own")
    await keys.create("ann", KeyTerms())
    await keys.revoke("ann")
    with pytest.raises(UnknownObject):
        await keys.revoke("ann")


async def test_a_hash_is_as_good_as_a_key() -> None:
    keys = ring(MemoryStore(), api_keys={"own": {"hash": hash_of(b"sk-own"), "admin": True}})
    found = keys.find(b"sk-own")
    assert found is not None
    assert found.terms.admin


async def test_a_name_in_both_places_stops_the_start() -> None:
    store = MemoryStore()
    secret = await KeyBook(store).create("own", KeyTerms())
    keys = ring(store, api_keys={"own": {"key": "sk-own"}})
    with pytest.raises(ConfigError, match=r"server\.api_keys\.own: the store has a key"):
        await keys.load()
    await KeyBook(store).revoke("own")
    await keys.load()
    assert keys.find(secret.encode()) is None


async def test_a_running_gateway_sees_what_others_do() -> None:
    store = MemoryStore()
    keys = ring(store, limits={"refresh_s": 0.001}, api_keys={"own": {"key": "sk-own"}})
    await keys.load()
    keys.start()
    book = KeyBook(store)
    async with asyncio.timeout(5):
        secret = await book.create("ann", KeyTerms())
        while keys.find(secret.encode()) is None:
            await asyncio.sleep(0)
        await book.revoke("ann")
        while keys.find(secret.encode()) is not None:
            await asyncio.sleep(0)
        # The configuration's own stays what it is, whoever can write to the store.
        other = await book.create("own", KeyTerms(admin=True))
        while len(await keys.stored()) < 2:
            await asyncio.sleep(0)
    assert keys.find(other.encode()) is None
    assert keys.find(b"sk-own") is not None
    await keys.stop()


async def test_a_store_that_is_away_takes_no_key_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    keys = ring(store, limits={"refresh_s": 0.001})
    secret = await keys.create("ann", KeyTerms())
    tries = 0
    tried = asyncio.Event()

    async def away(key: str) -> Any:
        nonlocal tries
        tries += 1
        if tries == 3:
            tried.set()
        raise StoreError("It is away.")

    monkeypatch.setattr(store, "get", away)
    with caplog.at_level(logging.WARNING):
        keys.start()
        await asyncio.wait_for(tried.wait(), 5)
        await keys.stop()
    assert keys.find(secret.encode()) is not None
    assert caplog.text.count("keys are those that were known until now") == 1


async def test_other_keys_leave_what_one_has_counted() -> None:
    keys = ring(MemoryStore())
    await keys.create("ann", TERMS)
    before = keys.named("ann")
    await keys.create("bob", KeyTerms())
    assert keys.named("ann") is before


async def test_a_key_of_another_version_is_named_and_not_shown() -> None:
    store = MemoryStore()
    await store.put(f"{PREFIX}ann", {"hash": "sha256:secret", "created": "", "later": 1})
    with pytest.raises(StoreError, match="apikey:ann") as caught:
        await ring(store).load()
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_what_is_shown_of_keys() -> None:
    keys = ring(MemoryStore(), api_keys={"own": {"key": "sk-own", "admin": True}})
    await keys.create("ann", TERMS)
    own, ann = listed(keys._server.api_keys, await keys.stored())
    assert own == {
        "name": "own",
        "source": "configuration",
        "created": None,
        "revoked": None,
        "terms": {"admin": True},
    }
    assert ann["terms"] == {"models": ["pool/*"], "tokens_per_day": 5, "class": "batch"}
    assert ann["created"] is not None


async def test_another_configuration_brings_other_keys_and_limits() -> None:
    store = MemoryStore()
    own = {"key": "sk-own", "requests_per_minute": 100}
    keys = ring(store, api_keys={"own": own, "old": {"key": "sk-old"}})
    before = keys.find(b"sk-own")
    assert before is not None
    await before.limiter.take({"requests": 1})
    more = {"own": own, "new": {"key": "sk-new"}}
    await keys.adopt(ServerConfig.model_validate({"api_keys": more}))
    assert keys.find(b"sk-own") is before  # With what it has used.
    assert keys.find(b"sk-old") is None
    assert keys.find(b"sk-new") is not None
    narrow = {"own": {**own, "requests_per_minute": 7}}
    await keys.adopt(ServerConfig.model_validate({"api_keys": narrow}))
    changed = keys.find(b"sk-own")
    assert changed is not None
    assert changed.limiter.headers()["x-ratelimit-limit-requests"] == "7"


async def test_a_name_of_the_store_is_refused_in_another_configuration() -> None:
    keys = ring(MemoryStore())
    secret = await keys.create("ann", KeyTerms())
    with pytest.raises(ConfigError) as refused:
        keys.check(ServerConfig.model_validate({"api_keys": {"ann": {"key": "sk-ann"}}}))
    assert "server.api_keys.ann" in refused.value.problems[0]
    assert keys.find(secret.encode()) is not None
