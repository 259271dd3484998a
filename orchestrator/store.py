"""Small JSON values by key that must outlive a restart, or be known to several gateways."""

import json
from collections.abc import Awaitable
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from experts.errors import ServiceError

PREFIX = "coterie:"
CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 2.0
HIDDEN = "***"


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
        # Imported here: a service without Redis starts a sixth of a second sooner.
        from redis import asyncio as redis  # noqa: PLC0415

        self._error: type[Exception] = redis.RedisError
        self._redis = redis.from_url(
            url, socket_timeout=CALL_TIMEOUT_S, socket_connect_timeout=CONNECT_TIMEOUT_S
        )
        self._secrets = secrets_of(url)

    async def get(self, key: str) -> Any:
        raw = await self._answer(self._redis.get(PREFIX + key))
        try:
            return None if raw is None else json.loads(raw)
        except ValueError as error:
            raise StoreError(f"Redis holds no JSON under {PREFIX}{key}.") from error

    async def put(self, key: str, value: Any) -> None:
        await self._answer(self._redis.set(PREFIX + key, json.dumps(value)))

    async def close(self) -> None:
        await self._redis.aclose()

    async def _answer(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except (self._error, OSError) as error:
            words = str(error)
        for secret in self._secrets:
            words = words.replace(secret, HIDDEN)
        # Not its cause, whose words may hold the password.
        raise StoreError(f"Redis did not answer: {words}")


async def open_store(url: str) -> Store:
    """`memory`, or `redis://...`, which must answer. Raises ServiceError."""
    if url == "memory":
        return MemoryStore()
    hint = "Start Redis there, or leave `store` out."
    try:
        store = RedisStore(url)
    except ValueError:  # Its words may hold a part of the password.
        store = None
    if store is None:
        raise ServiceError(f"The store {redacted(url)} has a URL that Redis cannot use.", hint=hint)
    try:
        await store.get("ping")
    except BaseException as error:
        await store.close()
        if not isinstance(error, StoreError):
            raise
        raise ServiceError(
            f"The store {redacted(url)} is not reachable: {error}", hint=hint
        ) from None
    return store


def redacted(url: str) -> str:
    """A URL without user, password and query, for messages."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:  # The URL cannot be read: any part of it may be the password.
        return f"{url.partition(':')[0]}://{HIDDEN}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def secrets_of(url: str) -> tuple[str, ...]:
    """What of a URL no message may show."""
    parts = urlsplit(url)
    given = [parts.password, *(v for values in parse_qs(parts.query).values() for v in values)]
    found = {text for secret in given if secret for text in (secret, unquote(secret))}
    return tuple(sorted(found, key=len, reverse=True))
