"""A store in Redis, which several gateways can share."""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

from experts.errors import StoreError
from orchestrator.store import redis_scripts
from orchestrator.store.base import Update, written
from orchestrator.store.cache import Kept, Put
from orchestrator.store.draws import Draw, Drawn
from orchestrator.store.urls import HIDDEN, addresses_of, secrets_of, with_one_host

LOGGER = logging.getLogger("coterie.store")
PREFIX = "coterie:"
KEYS = f"{PREFIX}keys"
"""A sorted set of all keys that have values: asking Redis for keys by prefix reads all it has."""
LOGS = f"{PREFIX}log:"
COUNTS = f"{PREFIX}writes:"
COUNTERS = f"{PREFIX}counter:"
CACHES = f"{PREFIX}cache:"
CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 2.0
MOST_CONNECTIONS = 16
"""Further calls wait for one of them."""
QUEUE_TIMEOUT_S = 20.0
RECORDS_PER_CALL = 256
"""Bounds what one call asks of Redis, which answers nobody else meanwhile."""
MOST_TRIES = 64


class RedisStore:
    """A Redis database, under keys that begin with `coterie:`."""

    def __init__(self, url: str) -> None:
        """Raises ValueError or TypeError for a URL that it cannot use."""
        # Imported here: a service without Redis starts a sixth of a second sooner.
        from redis import asyncio as redis  # noqa: PLC0415

        from orchestrator.store import redis_faults, redis_hosts  # noqa: PLC0415

        self._error: type[Exception] = redis.RedisError
        self._gone = redis.ConnectionError, redis.TimeoutError
        self._hint_for = redis_faults.hint_for
        tls = url.startswith("rediss:")
        pool = redis.BlockingConnectionPool.from_url(
            with_one_host(url),
            max_connections=MOST_CONNECTIONS,
            timeout=QUEUE_TIMEOUT_S,
            socket_timeout=CALL_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
        )
        pool.connection_class = (
            redis_hosts.PrimarySSLConnection if tls else redis_hosts.PrimaryConnection
        )
        pool.connection_kwargs["hosts"] = redis_hosts.Hosts(addresses_of(url))
        # What the URL's parameters are not, is found here.
        pool.make_connection()  # type: ignore[no-untyped-call]
        self._redis = redis.Redis.from_pool(pool)
        self._put = self._redis.register_script(redis_scripts.PUT)
        self._change = self._redis.register_script(redis_scripts.CHANGE)
        self._add = self._redis.register_script(redis_scripts.ADD)
        self._draw = self._redis.register_script(redis_scripts.DRAW)
        self._cache_get = self._redis.register_script(redis_scripts.CACHE_GET)
        self._cache_put = self._redis.register_script(redis_scripts.CACHE_PUT)
        self._cache_drop = self._redis.register_script(redis_scripts.CACHE_DROP)
        self._secrets = secrets_of(url)
        self._count_key = COUNTS + uuid.uuid4().hex
        self._acknowledged = 0
        self._forgotten = 0

    @property
    def forgotten(self) -> int:
        return self._forgotten

    async def get(self, key: str) -> Any:
        return _parsed(key, await self._raw(key))

    async def put(self, key: str, value: Any) -> None:
        await self.put_all({key: value})

    async def put_all(self, values: Mapping[str, Any]) -> None:
        pairs = [part for key, value in values.items() for part in (key, written(value))]
        await self._write(self._put, [KEYS, *(PREFIX + key for key in values)], pairs)

    async def change(self, key: str, update: Update) -> Any:
        known = self._acknowledged, self._forgotten
        for _ in range(MOST_TRIES):
            raw = await self._raw(key)
            value = update(_parsed(key, raw))
            text = "" if value is None else written(value)
            args = [key, raw or b"", text]
            if await self._write(self._change, [KEYS, PREFIX + key], args, known):
                return value
        raise StoreError(f"{PREFIX}{key} was changed by others {MOST_TRIES} times meanwhile.")

    async def items(
        self, prefix: str, after: str | None = None, limit: int | None = None, newest: bool = False
    ) -> list[tuple[str, Any]]:
        low, high = b"[" + prefix.encode(), b"(" + prefix.encode() + b"\xff"
        bound = None if after is None else b"(" + after.encode()
        page = {} if limit is None else {"start": 0, "num": limit}
        if newest:
            asked = self._redis.zrevrangebylex(KEYS, bound or high, low, **page)
        else:
            asked = self._redis.zrangebylex(KEYS, bound or low, high, **page)
        keys = [key.decode() for key in await self._answer(asked)]
        values: list[tuple[str, Any]] = []
        for start in range(0, len(keys), RECORDS_PER_CALL):
            some = keys[start : start + RECORDS_PER_CALL]
            raw = await self._answer(self._redis.mget([PREFIX + key for key in some]))
            values += [(k, _parsed(k, r)) for k, r in zip(some, raw, strict=True) if r is not None]
        return values

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        keys = [COUNTERS + one.counter for one in draws]
        args = [(one.owed, one.least, one.most, one.limit, one.keep_s) for one in draws]
        made = self._draw(keys=keys, args=[number for five in args for number in five])
        told = iter(await self._answer(made))
        return [Drawn(granted, total) for granted, total in zip(told, told, strict=True)]

    async def add(self, log: str, records: Mapping[int, bytes]) -> int:
        pairs = [part for pair in records.items() for part in pair]
        return int(await self._write(self._add, [LOGS + log], pairs)) if pairs else 0

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

    async def cache_get(self, cache: str, key: str) -> bytes | None:
        made = self._cache_get(keys=_cache_keys(cache, key), args=[key])
        value: bytes | None = await self._answer(made)
        return value

    async def cache_put(self, cache: str, key: str, put: Put) -> Kept:
        kept_ms = max(1, round(1000 * put.ttl_s))
        keys = _cache_keys(cache, key)
        args: list[Any] = [key, put.value, kept_ms, put.size, put.max_bytes, int(put.only_new)]
        made = self._cache_put(keys=keys, args=[*args, keys[0].removesuffix(key)])
        kept, evicted, total_bytes = await self._answer(made)
        return Kept(bool(kept), evicted, total_bytes)

    async def cache_drop(self, cache: str, key: str) -> None:
        await self._answer(self._cache_drop(keys=_cache_keys(cache, key), args=[key]))

    async def close(self) -> None:
        with suppress(StoreError):
            await self._answer(self._redis.unlink(self._count_key))
        await self._redis.aclose()

    async def _raw(self, key: str) -> bytes | None:
        raw: bytes | None = await self._answer(self._redis.get(PREFIX + key))
        return raw

    async def _write(
        self, script: Any, keys: list[str], args: list[Any], known: tuple[int, int] | None = None
    ) -> Any:
        """What a script makes; `known` is what was acknowledged when the caller began."""
        acknowledged, forgotten = known or (self._acknowledged, self._forgotten)
        made = script(keys=[self._count_key, *keys], args=[acknowledged, *args])
        count, *result = await self._answer(made)
        if result:
            if forgotten == self._forgotten:
                self._acknowledged = max(self._acknowledged, count)
            return result[0]
        words = f"Redis has lost the last {acknowledged - count} things that it had kept."
        if forgotten == self._forgotten:
            self._acknowledged = count
            self._forgotten += 1
            LOGGER.warning(words)
        raise StoreError(
            words,
            hint="They are done again where that can be; its settings say what it may lose"
            " (appendfsync, replicas).",
        )

    async def _answer(self, call: Awaitable[Any]) -> Any:
        try:
            with _cancellable():
                return await call
        except (self._error, OSError) as error:
            words, hint = str(error), self._hint_for(error)
            if isinstance(error, self._gone):
                # It has restarted, or another one has taken over: so others are of no use either.
                await self._redis.connection_pool.disconnect(inuse_connections=False)
        for secret in self._secrets:
            words = words.replace(secret, HIDDEN)
        # Not its cause, whose words may hold the password.
        raise StoreError(f"Redis did not answer: {words}", hint=hint)


def _cache_keys(cache: str, key: str) -> list[str]:
    """The value's, then those of what is known of all values."""
    about = (f"{CACHES}{cache}:{part}" for part in ("used", "sizes", "bytes", "clock"))
    return [f"{CACHES}{cache}:value:{key}", *about]


@contextmanager
def _cancellable() -> Iterator[None]:
    """Whoever is cancelled meanwhile is cancelled.

    redis-py waits with `asyncio.wait_for`, which in Python 3.11 loses a cancel that comes as what
    it waits for ends: a loop would go on for ever, and whoever stops it would wait for it.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


def _parsed(key: str, raw: bytes | None) -> Any:
    try:
        return None if raw is None else json.loads(raw)
    except ValueError as error:
        raise StoreError(f"Redis holds no JSON under {PREFIX}{key}.") from error
