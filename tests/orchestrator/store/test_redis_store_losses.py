"""What Redis loses in a fail-over, or in a restart, is found before anybody goes on from it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis_process import RedisServer, replicated

from experts.errors import ServiceError, StoreError
from orchestrator.store.opening import open_store

Start = Callable[..., RedisServer]


async def answered(call: Callable[[], Awaitable[Any]]) -> Any:
    """What the store says once its connections are new ones."""
    while True:
        try:
            return await call()
        except StoreError as error:
            if "did not answer" not in str(error):
                raise


@pytest.mark.parametrize("user", ["", ":w"])
async def test_the_new_primary_is_found(start_redis: Start, stores: Any, user: str) -> None:
    primary, replica, url = replicated(start_redis, user)
    store = await stores(url)
    await store.put("x", 1)
    assert primary.tell("WAIT", 1, 5000) == 1
    primary.end()
    with pytest.raises(StoreError, match="did not answer"):
        await store.get("x")
    with pytest.raises(StoreError, match=f"{replica.host} is a replica"):
        await store.get("x")
    replica.tell("REPLICAOF", "NO", "ONE")
    assert await store.change("x", lambda value: value + 1) == 2
    assert store.forgotten == 0


async def test_a_primary_that_becomes_a_replica_is_left(start_redis: Start, stores: Any) -> None:
    primary, replica, url = replicated(start_redis)
    store = await stores(url)
    replica.tell("REPLICAOF", "NO", "ONE")
    primary.tell("REPLICAOF", "127.0.0.1", replica.port)
    with pytest.raises(StoreError, match="read only"):
        await store.put("x", 1)
    await store.put("x", 2)
    assert replica.tell("GET", "coterie:x") == b"2"


async def test_an_old_primary_that_comes_back_is_not_taken(start_redis: Start, stores: Any) -> None:
    primary, replica, url = replicated(start_redis)
    store = await stores(url)
    replica.tell("REPLICAOF", "NO", "ONE")
    primary.end()
    await answered(lambda: store.put("x", 1))
    primary.start()  # Its owner has forgotten to make it a replica.
    replica.tell("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await answered(lambda: store.put("x", 2))
    assert replica.tell("GET", "coterie:x") == b"2"


async def test_no_server_of_several(start_redis: Start) -> None:
    primary, replica, url = replicated(start_redis)
    primary.end()
    with pytest.raises(ServiceError, match=f"none .* is a primary.*{replica.host} is a replica"):
        await open_store(url)


async def test_what_a_replica_had_not_got_is_missed(start_redis: Start, stores: Any) -> None:
    primary, replica, url = replicated(start_redis)
    store = await stores(url)
    await store.add("log", {0: b"kept"})
    primary.tell("WAIT", 1, 5000)
    replica.tell("REPLICAOF", "NO", "ONE")
    await store.add("log", {1: b"lost"})
    await store.put("lost", 1)
    primary.end()
    assert await answered(lambda: store.numbers("log")) == {0}
    with pytest.raises(StoreError, match="lost the last 2 things") as caught:
        await store.change("end", lambda _: "completed")
    assert "appendfsync" in caught.value.hint
    assert store.forgotten == 1
    assert await store.get("end") is None
    await store.add("log", {1: b"again"})
    assert await store.change("end", lambda _: "completed") == "completed"
    assert store.forgotten == 1


async def test_of_many_writings_at_once_none_goes_on(start_redis: Start, stores: Any) -> None:
    server = start_redis()
    store = await stores(server.url)
    await asyncio.gather(*(store.put(f"many:{number}", number) for number in range(20)))
    server.end()
    server.start()  # It has kept nothing.
    assert await answered(lambda: store.get("many:0")) is None
    writings = [store.put(f"many:{number}", number) for number in range(5)]
    writings += [store.add("many", {0: b"x"}), store.change("many", lambda _: 1)]
    ends = await asyncio.gather(*writings, return_exceptions=True)
    assert all(isinstance(end, StoreError) for end in ends)
    assert store.forgotten == 1
    assert await store.items("many") == []
    await store.put("many:0", 1)


async def test_a_restart_that_loses_nothing_is_not_noticed(start_redis: Start, stores: Any) -> None:
    server = start_redis(keeps=True)
    store = await stores(server.url)
    for number in range(3):
        await answered(functools.partial(store.put, "kept", number))
        server.end()
        server.start()
    assert await answered(lambda: store.get("kept")) == 2
    await store.put("kept", 3)
    assert store.forgotten == 0


async def test_a_closed_store_leaves_no_count(start_redis: Start) -> None:
    server = start_redis()
    store = await open_store(server.url)
    await store.put("x", 1)
    await store.change("x", lambda _: None)
    await store.close()
    assert server.tell("KEYS", "*") == []
