"""Opens the store that the configuration names."""

from pathlib import Path

from experts.errors import ServiceError, StoreError
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.redis_store import RedisStore
from orchestrator.store.sqlite_store import SqliteStore
from orchestrator.store.urls import redacted

MEMORY = "memory"


async def open_store(url: str) -> Store:
    """`memory`, `sqlite:PATH`, or `redis://...`, which must answer. Raises ServiceError."""
    if url == MEMORY:
        return MemoryStore()
    kind, _, path = url.partition(":")
    if kind == "sqlite":
        return await _open_sqlite(Path(path))
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


async def _open_sqlite(path: Path) -> Store:
    store = SqliteStore(path)
    try:
        await store.open()
    except StoreError as error:
        await store.close()
        hint = "Set `store` to a file that can be written (sqlite:PATH), or to `memory`."
        raise ServiceError(str(error), hint=hint) from None
    return store
