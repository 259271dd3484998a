"""Whatever Redis refuses is told with what to do, and it goes on once that is done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis_process import RedisServer, certificate_in

from experts.errors import ServiceError, StoreError
from orchestrator.store.opening import open_store

Start = Callable[..., RedisServer]


async def refused(url: str, words: str) -> str:
    """The hint with which the service does not start."""
    with pytest.raises(ServiceError, match=words) as caught:
        await open_store(url)
    return caught.value.hint


async def told(store: Any, words: str) -> str:
    """The hint with which nothing is written, twice: nobody goes on by himself."""
    for call in (store.put("x", 1), store.add("x", {0: b"x"})):
        with pytest.raises(StoreError, match=words) as caught:
            await call
    return caught.value.hint


@pytest.mark.parametrize("user", ["", ":wrong", "nobody:p@ss"])
async def test_a_wrong_password(start_redis: Start, user: str) -> None:
    server = start_redis(options=("--requirepass", "right"), user=":right")
    url = f"redis://{user}@{server.host}/0".replace("p@ss", "p%40ss")
    hint = await refused(url, "already authenticated|invalid username-password")
    assert "password in `store`" in hint


async def test_a_password_that_is_changed(start_redis: Start, stores: Any) -> None:
    server = start_redis(options=("--requirepass", "right"), user=":right")
    store = await stores(server.url)
    server.tell("ACL", "SETUSER", "default", "resetpass", ">other")
    server.tell_with(":other", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(StoreError, match=r"closed|invalid username-password"):
        await store.put("x", 1)
    assert "password in `store`" in await told(store, "invalid username-password")
    server.tell_with(":other", "ACL", "SETUSER", "default", ">right")
    await store.put("x", 1)


@pytest.mark.parametrize("right", ["-@write", "-@scripting", "resetkeys"])
async def test_a_user_without_a_right(start_redis: Start, stores: Any, right: str) -> None:
    server = start_redis()
    server.tell("ACL", "SETUSER", "some", "on", ">word", "~coterie:*", "+@all")
    url = f"redis://some:word@{server.host}/0"
    store = await stores(url)
    server.tell("ACL", "SETUSER", "some", right)
    assert "+@scripting" in await told(store, "can't run|can't access|no permissions")
    assert "+@scripting" in await refused(url, "can't run|can't access|no permissions")
    server.tell("ACL", "SETUSER", "some", "+@all", "~coterie:*")
    await store.put("x", 1)


async def test_a_replica(start_redis: Start, stores: Any) -> None:
    primary, server = start_redis(), start_redis()
    store = await stores(server.url)
    server.tell("REPLICAOF", "127.0.0.1", primary.port)
    assert "REPLICAOF NO ONE" in await told(store, "read only replica")
    assert "REPLICAOF NO ONE" in await refused(server.url, "read only replica")
    server.tell("REPLICAOF", "NO", "ONE")
    await store.put("x", 1)


async def test_a_redis_that_is_full_lets_things_go(start_redis: Start, stores: Any) -> None:
    server = start_redis()
    store = await stores(server.url)
    await store.put("y", 1)
    await store.add("y", {0: b"y"})
    server.tell("CONFIG", "SET", "maxmemory", "1")
    assert "maxmemory" in await told(store, "OOM|maxmemory")
    assert await store.get("y") == 1
    await store.change("y", lambda _: None)
    await store.drop("y")
    assert await store.items("y") == []
    server.tell("CONFIG", "SET", "maxmemory", "0")
    await store.put("x", 1)


async def test_a_disk_that_is_full(start_redis: Start, stores: Any) -> None:
    server = start_redis(options=("--save", "3600 1"))
    store = await stores(server.url)
    shutil.rmtree(server.folder)
    server.tell("SET", "other", "1")
    server.tell("BGSAVE")
    while server.says("persistence", "rdb_last_bgsave_status") != "err":
        pass
    assert "make room" in await told(store, "MISCONF")
    server.folder.mkdir()
    server.tell("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    await store.put("x", 1)


# TLS.


async def test_a_certificate_of_another_ca(
    start_redis: Start, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    server = start_redis(certificate=certificate)
    other, _ = certificate_in(tmp_path)
    for url in (
        server.url.replace(str(certificate[0]), str(other)),
        server.url.partition("?")[0],
        server.url.replace("127.0.0.1", "localhost"),
    ):
        assert "ssl_ca_certs=FILE" in await refused(url, "CERTIFICATE_VERIFY_FAILED")


async def test_tls_on_one_side_only(
    start_redis: Start, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.store.redis_store.CONNECT_TIMEOUT_S", 0.1)
    plain, hidden = start_redis(), start_redis(certificate=certificate)
    url = f"rediss://{plain.host}/0?ssl_ca_certs={certificate[0]}"
    assert "redis://" in await refused(url, "Timeout connecting")
    assert "rediss://" in await refused(f"redis://{hidden.host}/0", "closed|reset")


async def test_a_ca_that_is_not_there(tmp_path: Path) -> None:
    url = f"rediss://127.0.0.1:1/0?ssl_ca_certs={tmp_path}/ca.pem"
    assert "PEM" in await refused(url, "names a CA that is not there: .*ca.pem")


@pytest.mark.parametrize("query", ["what=1", "db=x", "socket_timeout=x"])
async def test_a_parameter_that_nobody_knows(query: str) -> None:
    assert "redis-py" in await refused(f"redis://127.0.0.1:1/0?{query}", "cannot use")
