"""Opens the store that the configuration names."""

from pathlib import Path

from experts.errors import ServiceError, StoreError
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.redis_store import RedisStore
from orchestrator.store.sqlite_store import SqliteStore
from orchestrator.store.urls import ca_of, redacted

MEMORY = "memory"


async def open_store(url: str) -> Store:
    """`memory`, `sqlite:PATH`, or `redis://...`, which must answer and let us write.

    Raises ServiceError.
    """
    if url == MEMORY:
        return MemoryStore()
    kind, _, path = url.partition(":")
    if kind == "sqlite":
        return await _open_sqlite(Path(path))
    store = _redis_store(url)
    try:
        # What writes nothing, where nothing stands, needs all that writing needs.
        await store.change("opening", lambda _: None)
    except BaseException as error:
        await store.close()
        if not isinstance(error, StoreError):
            raise
        hint = error.hint or "Start Redis there (rediss:// where it has TLS), or leave `store` out."
        raise ServiceError(
            f"The store {redacted(url)} is not reachable: {error.message}", hint=hint
        ) from None
    return store


def _redis_store(url: str) -> RedisStore:
    ca = ca_of(url)
    if ca is not None and not Path(ca).is_file():
        raise ServiceError(
            f"The store {redacted(url)} names a CA that is not there: {ca}.",
            hint="`ssl_ca_certs` is a file of certificates (PEM).",
        )
    try:
        return RedisStore(url)
    except (ValueError, TypeError):  # Its words may hold a part of the password.
        pass
    raise ServiceError(
        f"The store {redacted(url)} has a URL that Redis cannot use.",
        hint="redis://USER:PASSWORD@HOST:PORT,HOST:PORT/DB, with parameters that redis-py knows.",
    )


async def _open_sqlite(path: Path) -> Store:
    store = SqliteStore(path)
    try:
        await store.open()
    except StoreError as error:
        await store.close()
        hint = error.hint or "Set `store` to a file that can be written (sqlite:PATH), or `memory`."
        raise ServiceError(error.message, hint=hint) from None
    return store
