"""A store in Redis, which several gateways can share."""

import json
from collections.abc import Awaitable, Mapping
from typing import Any, cast

from experts.errors import StoreError
from orchestrator.store.base import Update, written
from orchestrator.store.urls import HIDDEN, secrets_of

PREFIX = "coterie:"
KEYS = f"{PREFIX}keys"
"""A sorted set of all keys that have values: asking Redis for keys by prefix reads all it has."""
LOGS = f"{PREFIX}log:"
CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 2.0
RECORDS_PER_CALL = 256
"""Bounds what one call asks of Redis, which answers nobody else meanwhile."""
MOST_TRIES = 64

# KEYS: the value, the sorted set of keys. ARGV: the key, the value that is expected and the new
# one, each empty for none.
CHANGE = """
local known = redis.call('GET', KEYS[1])
if (known or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[3])
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
end
return 1
"""
ADD = """
local added = 0
for i = 1, #ARGV, 2 do added = added + redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
return added
"""


class RedisStore:
    """A Redis database, under keys that begin with `coterie:`."""

    def __init__(self, url: str) -> None:
        # Imported here: a service without Redis starts a sixth of a second sooner.
        from redis import asyncio as redis  # noqa: PLC0415

        self._error: type[Exception] = redis.RedisError
        self._redis = redis.from_url(
            url, socket_timeout=CALL_TIMEOUT_S, socket_connect_timeout=CONNECT_TIMEOUT_S
        )
        self._change = self._redis.register_script(CHANGE)
        self._add = self._redis.register_script(ADD)
        self._secrets = secrets_of(url)

    async def get(self, key: str) -> Any:
        return _parsed(key, await self._raw(key))

    async def put(self, key: str, value: Any) -> None:
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.set(PREFIX + key, written(value))
        pipeline.zadd(KEYS, {key: 0})
        await self._answer(pipeline.execute())

    async def change(self, key: str, update: Update) -> Any:
        for _ in range(MOST_TRIES):
            raw = await self._raw(key)
            value = update(_parsed(key, raw))
            text = "" if value is None else written(value)
            changed = self._change(keys=[PREFIX + key, KEYS], args=[key, raw or b"", text])
            if await self._answer(changed):
                return value
        raise StoreError(f"{PREFIX}{key} was changed by others {MOST_TRIES} times meanwhile.")

    async def items(self, prefix: str) -> list[tuple[str, Any]]:
        low, high = f"[{prefix}".encode(), b"(" + prefix.encode() + b"\xff"
        found = await self._answer(self._redis.zrangebylex(KEYS, low, high))
        keys = [key.decode() for key in found]
        values: list[tuple[str, Any]] = []
        for start in range(0, len(keys), RECORDS_PER_CALL):
            some = keys[start : start + RECORDS_PER_CALL]
            raw = await self._answer(self._redis.mget([PREFIX + key for key in some]))
            values += [(k, _parsed(k, r)) for k, r in zip(some, raw, strict=True) if r is not None]
        return values

    async def add(self, log: str, records: Mapping[int, bytes]) -> int:
        pairs = [part for pair in records.items() for part in pair]
        return int(await self._answer(self._add(keys=[LOGS + log], args=pairs))) if pairs else 0

    async def read(self, log: str, start: int, stop: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        for first in range(start, stop, RECORDS_PER_CALL):
            numbers = range(first, min(first + RECORDS_PER_CALL, stop))
            asked = cast("Awaitable[Any]", self._redis.hmget(LOGS + log, [*map(str, numbers)]))
            records = zip(numbers, await self._answer(asked), strict=True)
            found += [(number, record) for number, record in records if record is not None]
        return found

    async def numbers(self, log: str) -> frozenset[int]:
        asked = cast("Awaitable[Any]", self._redis.hkeys(LOGS + log))
        return frozenset(map(int, await self._answer(asked)))

    async def drop(self, log: str) -> None:
        await self._answer(self._redis.unlink(LOGS + log))

    async def close(self) -> None:
        await self._redis.aclose()

    async def _raw(self, key: str) -> bytes | None:
        raw: bytes | None = await self._answer(self._redis.get(PREFIX + key))
        return raw

    async def _answer(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except (self._error, OSError) as error:
            words = str(error)
        for secret in self._secrets:
            words = words.replace(secret, HIDDEN)
        # Not its cause, whose words may hold the password.
        raise StoreError(f"Redis did not answer: {words}")


def _parsed(key: str, raw: bytes | None) -> Any:
    try:
        return None if raw is None else json.loads(raw)
    except ValueError as error:
        raise StoreError(f"Redis holds no JSON under {PREFIX}{key}.") from error
