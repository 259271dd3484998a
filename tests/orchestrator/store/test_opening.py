"""What outlives the service: a store in memory, and a real Redis, which may go away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis.asyncio as redis
from redis_process import RedisServer

from experts.errors import ServiceError, StoreError
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.opening import open_store
from orchestrator.store.redis_store import PREFIX


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.Redis]:
    """Anybody else who uses the same Redis."""
    async with redis.from_url(redis_url) as client:
        yield client


async def test_what_is_put_is_got(store: Store) -> None:
    values: list[Any] = [{"a": [1, 2.5, None]}, "w\u00f6rd", 0, [], True]
    for value in values:
        await store.put("kept", value)
        assert await store.get("kept") == value


async def test_what_nobody_put_is_none(store: Store) -> None:
    assert await store.get("nothing") is None


async def test_a_value_is_a_copy(store: Store) -> None:
    value = {"list": [1]}
    await store.put("copied", value)
    value["list"].append(2)
    assert await store.get("copied") == {"list": [1]}


async def test_redis_keeps_values_for_the_next_service(stores: Any, redis_url: str) -> None:
    first = await stores(redis_url)
    await first.put("later", {"load_s": 1.5})
    await first.close()
    assert await (await stores(redis_url)).get("later") == {"load_s": 1.5}


async def test_keys_in_redis_tell_whose_they_are(
    stores: Any, redis_url: str, client: redis.Redis
) -> None:
    await (await stores(redis_url)).put("named", 1)
    assert await client.get("coterie:named") == b"1"


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b""], ids=["cut", "bytes", "empty"])
async def test_what_is_no_json_is_told(
    stores: Any, redis_url: str, client: redis.Redis, raw: bytes
) -> None:
    await client.set(f"{PREFIX}garbage", raw)
    with pytest.raises(StoreError, match="no JSON under coterie:garbage"):
        await (await stores(redis_url)).get("garbage")


async def test_a_key_of_another_kind_is_told(
    stores: Any, redis_url: str, client: redis.Redis
) -> None:
    await client.hset(f"{PREFIX}hash", "x", "1")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await (await stores(redis_url)).get("hash")


async def test_a_redis_that_is_not_there_is_an_error_of_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServiceError, match=f"127.0.0.1:{port}/0 is not reachable") as caught:
        await open_store(f"redis://127.0.0.1:{port}/0")
    assert "Start Redis" in caught.value.hint


async def test_a_redis_that_dies_is_told(
    stores: Any, start_redis: Callable[[], RedisServer]
) -> None:
    server = start_redis()
    store = await stores(server.url)
    server.end()
    for call in (store.get("x"), store.put("x", 1)):
        with pytest.raises(StoreError, match="Redis did not answer"):
            await call


async def test_a_redis_that_is_silent_is_told(
    stores: Any, start_redis: Callable[[], RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.store.redis_store.CALL_TIMEOUT_S", 0.1)
    server = start_redis()
    store = await stores(server.url)
    server.silence()
    with pytest.raises(StoreError, match="Redis did not answer"):
        await store.get("x")


# The pool and its store.


async def test_what_one_pool_measured_the_next_one_knows(
    stores: Any, make_rig: Any, redis_url: str
) -> None:
    first = await make_rig({"kept-a": 1}, store=await stores(redis_url))
    await first.use("kept-a")
    before = first.engine("kept-a")
    await first.pool.stop()
    second = await make_rig({"kept-a": 1, "kept-b": 1}, store=await stores(redis_url))
    after = second.engine("kept-a")
    costs = ("load_s", "wake_s", "service_s")
    assert {what: after[what] for what in costs} == {what: before[what] for what in costs}
    assert second.engine("kept-b")["load_s"] == 1.0  # Nobody has measured it.


async def test_garbage_in_redis_is_told_and_the_pool_starts(
    stores: Any, make_rig: Any, redis_url: str, client: redis.Redis
) -> None:
    await client.set(f"{PREFIX}costs:garbled", b"{")
    rig = await make_rig({"garbled": 1}, store=await stores(redis_url))
    assert rig.told("Redis holds no JSON under coterie:costs:garbled")
    assert rig.engine("garbled")["load_s"] == 1.0
    await rig.use("garbled")
    await rig.pool.stop()
    assert b"load_s" in (await client.get(f"{PREFIX}costs:garbled") or b"")


async def test_a_redis_that_dies_harms_no_request(
    stores: Any,
    make_rig: Any,
    start_redis: Callable[[], RedisServer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start_redis()
    rig = await make_rig({"a": 3, "b": 3}, store=await stores(server.url), memory_gb=4)
    server.end()
    for expert in ("a", "b", "a"):
        await rig.use(expert)
    await rig.pool.stop()
    assert "could not be stored: Redis did not answer" in caplog.text


class StuckStore(MemoryStore):
    """It keeps things when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def put(self, key: str, value: Any) -> None:
        await self.go_on.wait()
        await super().put(key, value)


async def test_a_store_that_is_slow_holds_up_no_load(make_rig: Any) -> None:
    store = StuckStore()
    rig = await make_rig({"a": 3, "b": 3}, store=store, memory_gb=4)
    for expert in ("a", "b", "a"):
        await rig.use(expert)
    store.go_on.set()
    await rig.pool.stop()
    assert "load_s" in await store.get("costs:b")
