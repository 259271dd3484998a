"""Stores that keep what they are given, and those that do not."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from config_files import REMOTE
from redis_process import RedisServer

from orchestrator.cli.doctor.finding import Finding, Level
from orchestrator.cli.doctor.store import check_store, judged
from orchestrator.config.keys.section import KeyTerms
from orchestrator.config.model import Config
from orchestrator.keys.counters import Counters
from orchestrator.keys.ring import KeyRing
from orchestrator.store.sqlite_store import SqliteStore


def _config(store: str) -> Config:
    return Config.model_validate({"experts": {"far": REMOTE}, "store": store})


def _found(store: str) -> Finding:
    return asyncio.run(check_store(_config(store)))[0]


def test_a_file_keeps_it_and_nothing_stays(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'store.db'}"
    assert _found(url).level is Level.OK

    async def left() -> list[tuple[str, object]]:
        store = SqliteStore(tmp_path / "store.db")
        await store.open()
        try:
            return await store.items("doctor")
        finally:
            await store.close()

    assert asyncio.run(left()) == []


def test_keys_of_the_store_are_counted(tmp_path: Path) -> None:
    config = _config(f"sqlite:{tmp_path / 'store.db'}")

    async def with_two_keys() -> int:
        store = SqliteStore(tmp_path / "store.db")
        await store.open()
        ring = KeyRing(config.server, Counters(store, config.server.limits))
        for name in ("ann", "bob", "cid"):
            await ring.create(name, KeyTerms())
        await ring.revoke("bob")
        await store.close()
        return (await check_store(config))[1]

    assert asyncio.run(with_two_keys()) == 2


@pytest.mark.parametrize(
    ("store", "level", "words"),
    [
        ("memory", Level.WARNING, "forgets"),
        ("sqlite:/nowhere/at/all.db", Level.FAULT, "there is no folder /nowhere/at"),
        ("redis://127.0.0.1:1/0", Level.FAULT, "not reachable"),
    ],
)
def test_what_is_not_there(store: str, level: Level, words: str) -> None:
    found = _found(store)
    assert (found.level, words in found.found) == (level, True)


def test_a_redis_that_answers_and_one_with_another_password(
    start_redis: Callable[..., RedisServer],
) -> None:
    server = start_redis(options=("--requirepass", "secret"), user=":secret")
    assert _found(server.url).level is Level.OK
    refused = _found(server.url.replace(":secret@", ":wrong-word@"))
    assert refused.level is Level.FAULT
    assert "wrong-word" not in refused.found + refused.advice
    server.end()
    assert _found(server.url).level is Level.FAULT


@pytest.mark.parametrize(
    ("read", "took_ms", "level"),
    [("x", 1.0, Level.OK), ("x", 50.0, Level.WARNING), (None, 1.0, Level.FAULT)],
)
def test_what_was_read_back_decides(read: object, took_ms: float, level: Level) -> None:
    assert judged("redis://host/0", "x", read, took_ms).level is level
