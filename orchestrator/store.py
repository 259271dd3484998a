"""What must outlive a restart, or be known to several gateways: small JSON values by key."""

import json
from typing import Any, Protocol

import redis.asyncio as redis
from redis.exceptions import RedisError

from experts.errors import ServiceError

PREFIX = "coterie:"
CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 2.0


class StoreError(Exception):
    """The store did not answer; what it was to keep is lost, nothing else."""


class Store(Protocol):
    """A place for JSON values. Every method raises StoreError when it does not answer."""

    async def get(self, key: str) -> Any:
        """The value, or None."""
        ...

    async def put(self, key: str, value: Any) -> None:
        """Keep a value."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class MemoryStore:
    """Forgets with the process."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def get(self, key: str) -> Any:
        raw = self._values.get(key)
        return None if raw is None else json.loads(raw)

    async def put(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value)

    async def close(self) -> None:
        self._values.clear()


class RedisStore:
    """A Redis database, under keys that begin with `coterie:`."""

    def __init__(self, url: str) -> None:
        self._redis = redis.from_url(
            url, socket_timeout=CALL_TIMEOUT_S, socket_connect_timeout=CONNECT_TIMEOUT_S
        )

    async def get(self, key: str) -> Any:
        try:
            raw = await self._redis.get(PREFIX + key)
        except (RedisError, OSError) as error:
            raise StoreError(f"Redis did not answer: {error}") from error
        try:
            return None if raw is None else json.loads(raw)
        except ValueError as error:
            raise StoreError(f"Redis holds no JSON under {PREFIX}{key}.") from error

    async def put(self, key: str, value: Any) -> None:
        try:
            await self._redis.set(PREFIX + key, json.dumps(value))
        except (RedisError, OSError) as error:
            raise StoreError(f"Redis did not answer: {error}") from error

    async def close(self) -> None:
        await self._redis.aclose()


async def open_store(url: str) -> Store:
    """`memory`, or `redis://...`, which must answer. Raises ServiceError."""
    if url == "memory":
        return MemoryStore()
    try:
        store = RedisStore(url)
        await store.get("ping")
    except (StoreError, ValueError) as error:
        raise ServiceError(
            f"The store {url} is not reachable: {error}.",
            hint="Start Redis there, or leave `store` out.",
        ) from error
    return store
