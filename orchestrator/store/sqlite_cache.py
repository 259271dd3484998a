"""Caches in a file of SQLite: the statements, each within a transaction of the store's."""

import sqlite3

from orchestrator.store.cache import Kept, Put

SCHEMA = """
CREATE TABLE IF NOT EXISTS cached (
    cache TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, size INTEGER NOT NULL,
    used INTEGER NOT NULL, until REAL NOT NULL, PRIMARY KEY (cache, key)
);
CREATE INDEX IF NOT EXISTS cached_by_use ON cached (cache, used);
CREATE TABLE IF NOT EXISTS cache_sizes (cache TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
"""
_NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM cached WHERE cache = :cache)"
_GET = f"""
UPDATE cached SET used = {_NEXT}
WHERE cache = :cache AND key = :key AND until > :now RETURNING value
"""  # noqa: S608 - a constant
_PUT = f"INSERT INTO cached VALUES (:cache, :key, :value, :size, {_NEXT}, :until)"  # noqa: S608
_GROW = """
INSERT INTO cache_sizes VALUES (:cache, :more)
ON CONFLICT (cache) DO UPDATE SET bytes = bytes + :more RETURNING bytes
"""
_OLDEST = "SELECT key FROM cached WHERE cache = :cache ORDER BY used LIMIT 1"
_DROP = "DELETE FROM cached WHERE cache = :cache AND key = :key RETURNING size"


def get(opened: sqlite3.Connection, cache: str, key: str, now: float) -> bytes | None:
    """The value, which was used now; None where there is none, or it is too old."""
    rows = opened.execute(_GET, {"cache": cache, "key": key, "now": now}).fetchall()
    return rows[0][0] if rows else None


def put(opened: sqlite3.Connection, cache: str, key: str, put: Put, now: float) -> Kept:
    """Keep a value."""
    total = _grown(opened, cache, 0)
    if put.size > put.max_bytes:
        return Kept(False, 0, total)
    if put.only_new and get(opened, cache, key, now) is not None:
        return Kept(False, 0, total)
    drop(opened, cache, key)
    row = {"cache": cache, "key": key, "value": put.value, "size": put.size}
    opened.execute(_PUT, {**row, "until": now + put.ttl_s})
    total, evicted = _grown(opened, cache, put.size), 0
    while total > put.max_bytes:
        ((oldest,),) = opened.execute(_OLDEST, {"cache": cache}).fetchall()
        total = drop(opened, cache, oldest)
        evicted += 1
    return Kept(True, evicted, total)


def drop(opened: sqlite3.Connection, cache: str, key: str) -> int:
    """Forget a value, if there is one; what the cache holds then."""
    rows = opened.execute(_DROP, {"cache": cache, "key": key}).fetchall()
    return _grown(opened, cache, -sum(size for (size,) in rows))


def _grown(opened: sqlite3.Connection, cache: str, more: int) -> int:
    rows = opened.execute(_GROW, {"cache": cache, "more": more}).fetchall()
    return int(rows[0][0])
