"""`coterie key`: in the store of a configuration, and at a running service."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from experts.errors import ConfigError, NameTaken, ServiceError, UnknownObject
from orchestrator.cli.keys import keys
from orchestrator.config.keys.section import hash_of
from orchestrator.keys.book import KeyBook
from orchestrator.store.opening import open_store

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
BOSS = {"boss": {"key": "sk-boss", "admin": True}}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A configuration whose store is a file."""
    tree = {
        "experts": {"far": REMOTE},
        "store": "sqlite:store.db",
        "server": {"api_keys": {"own": {"key": "sk-own"}}},
    }
    file = tmp_path / "pool.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")
    return file


def stored(pool: Path) -> Any:
    async def read() -> Any:
        store = await open_store(f"sqlite:{pool.parent / 'store.db'}")
        found = await KeyBook(store).all()
        await store.close()
        return found

    return asyncio.run(read())


def test_a_key_is_printed_once_and_kept_as_its_hash(
    pool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.create("ann", {"models": ["far"], "tokens_per_day": 5}, pool, None, None)
    secret = capsys.readouterr().out.strip()  # Alone, so that `KEY=$(coterie key create ann)` does.
    kept = stored(pool)["ann"]
    assert kept.hash == hash_of(secret.encode())
    assert (kept.models, kept.tokens_per_day) == (["far"], 5)
    keys.show(pool, None, None, as_json=False)
    shown = capsys.readouterr().out
    assert "models far, tokens_per_day 5" in shown
    assert secret not in shown
    assert kept.hash not in shown
    with pytest.raises(NameTaken):
        keys.create("ann", {}, pool, None, None)
    keys.revoke("ann", pool, None, None)
    assert stored(pool)["ann"].revoked is not None
    with pytest.raises(UnknownObject):
        keys.revoke("ann", pool, None, None)


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        ("a b", {}, "NAME: must consist of letters"),
        ("x", {"models": ["fra"]}, "--models: no model is called `fra` (known: far)."),
        ("x", {"class": "slow"}, "--class: no class is called `slow` (known: interactive, batch)."),
        ("x", {"price_per_day": -1.0}, "--price-per-day: must be greater than 0."),
        ("x", {"tokens_per_day": 10**16}, "--tokens-per-day: must be less than or equal to"),
    ],
)
def test_what_is_refused(pool: Path, name: str, given: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        keys.create(name, given, pool, None, None)
    (found,) = caught.value.problems or (str(caught.value),)
    assert found.startswith(problem)


def test_a_name_of_the_configuration_is_taken(pool: Path) -> None:
    with pytest.raises(NameTaken, match=r"server\.api_keys\.own"):
        keys.create("own", {}, pool, None, None)


def test_a_store_in_memory_is_out_of_reach(pool: Path) -> None:
    pool.write_text(json.dumps({"experts": {"far": REMOTE}, "store": "memory"}), encoding="utf-8")
    with pytest.raises(ConfigError, match="--url"):
        keys.create("ann", {}, pool, None, None)


async def test_a_running_service_is_asked_with_an_administrators_key(
    serve: Any, pool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await serve(server={"api_keys": BOSS})

    async def run(command: Any, *arguments: Any) -> str:
        await asyncio.to_thread(command, *arguments)
        return capsys.readouterr().out

    at = (pool, gateway.base_url, "sk-boss")
    secret = (await run(keys.create, "ann", {"class": "batch"}, *at)).strip()
    found = gateway.context.keys.find(secret.encode())
    assert (found.name, found.terms.request_class) == ("ann", "batch")
    listed = json.loads(await run(keys.show, *at, True))
    assert [one["name"] for one in listed] == ["boss", "ann"]
    assert await run(keys.revoke, "ann", *at) == "ann: revoked\n"
    assert gateway.context.keys.find(secret.encode()) is None
    with pytest.raises(ServiceError, match="no key `ann`"):
        await run(keys.revoke, "ann", *at)
    with pytest.raises(ServiceError, match="--api-key"):
        await run(keys.show, pool, gateway.base_url, None, False)


def test_what_shuts_the_service_is_told_beside_the_output(
    pool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool.write_text(json.dumps({"experts": {"far": REMOTE}, "store": "sqlite:store.db"}))
    keys.create("bob", {}, pool, None, None)
    made = capsys.readouterr()
    assert len(made.out.split()) == 1
    assert "warning: every request to the service needs a key" in made.err
    keys.create("ann", {}, pool, None, None)
    assert "warning" not in capsys.readouterr().err
    keys.revoke("ann", pool, None, None)
    assert capsys.readouterr() == ("ann: revoked\n", "")
    keys.revoke("bob", pool, None, None)
    gone = capsys.readouterr()
    assert gone.out == "bob: revoked\n"
    assert "warning: it was the last key. The service stays shut" in gone.err


async def test_a_running_service_is_asked_what_keys_there_are(
    serve: Any, pool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await serve()
    await asyncio.to_thread(keys.create, "bob", {"admin": True}, pool, gateway.base_url, None)
    made = capsys.readouterr()
    assert "warning: every request" in made.err
    secret = made.out.strip()
    await asyncio.to_thread(keys.revoke, "bob", pool, gateway.base_url, secret)
    assert "stays shut" in capsys.readouterr().err
    assert (await gateway.http.get("/v1/models")).status_code == 401
