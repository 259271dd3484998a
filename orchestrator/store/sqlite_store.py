"""A store in a file of SQLite, or in one that ends with the process."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from experts.errors import StoreError
from orchestrator.store import sqlite_cache
from orchestrator.store.base import Update, written
from orchestrator.store.cache import Kept, Put
from orchestrator.store.draws import SWEPT_EVERY_S, Draw, Drawn, drawn

BUSY_TIMEOUT_S = 10.0
"""Longest wait for another process that writes to the same file."""
SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS "values" (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    log TEXT NOT NULL, number INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (log, number)
);
CREATE TABLE IF NOT EXISTS counters (
    counter TEXT PRIMARY KEY, total INTEGER NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
"""
    + sqlite_cache.SCHEMA
)
REPLACE = 'INSERT OR REPLACE INTO "values" VALUES (?, ?)'
ADD = "INSERT OR IGNORE INTO records VALUES (?, ?, ?)"
ITEMS = 'SELECT key, value FROM "values" WHERE key >= ? AND key < ? AND key IS NOT ? ORDER BY key '
COUNTED = "SELECT total FROM counters WHERE counter = ? AND until > ?"
COUNT = "INSERT OR REPLACE INTO counters VALUES (?, ?, ?)"
Found = TypeVar("Found")


HINTS = (
    ("SQLITE_FULL", "Make room on its disk."),
    ("SQLITE_IOERR", "Its disk refuses; the system's log says more."),
    ("SQLITE_READONLY", "Let this user write to the file and its folder."),
    ("SQLITE_CANTOPEN", "Set `store` (sqlite:PATH) to a file in a folder that is there."),
    ("SQLITE_BUSY", "Another process keeps it locked: end that one, or give each its own file."),
    ("SQLITE_CORRUPT", "Put back a copy, or move the file away."),
)
"""What a user can do, by how SQLite's name of an error begins."""


def hint_for(error: Exception) -> str:
    """What to do about an error of SQLite."""
    name = str(getattr(error, "sqlite_errorname", ""))
    return next((hint for start, hint in HINTS if name.startswith(start)), "")


class SqliteStore:
    """One connection in one thread, so that the event loop never waits for the disk.

    A commit survives the end of the process, kill -9 included; when the machine loses its power,
    the last commits may be lost, and the file stays sound (WAL, `synchronous=NORMAL`).
    """

    def __init__(self, path: Path | None) -> None:
        """None for a store that is forgotten with the process. Opens nothing yet."""
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "store")
        self._closed = False
        self._swept = 0.0

    @property
    def forgotten(self) -> int:
        return 0

    async def open(self) -> None:
        """Create or open the file, which must let us write. Raises StoreError."""
        await self._run(self._tried)

    async def get(self, key: str) -> Any:
        raw = await self._run(lambda: self._value(key))
        return self._parsed(key, raw)

    async def put(self, key: str, value: Any) -> None:
        await self.put_all({key: value})

    async def put_all(self, values: Mapping[str, Any]) -> None:
        rows = [(key, written(value)) for key, value in values.items()]
        await self._run(lambda: self._keep(rows))

    async def change(self, key: str, update: Update) -> Any:
        return await self._run(lambda: self._changed(key, update))

    async def items(
        self, prefix: str, after: str | None = None, limit: int | None = None, newest: bool = False
    ) -> list[tuple[str, Any]]:
        low, high = prefix, prefix + "\U0010ffff"
        if after is not None:
            low, high = (low, after) if newest else (after, high)
        known = (low, high, after, -1 if limit is None else limit)
        query = ITEMS + ("DESC LIMIT ?" if newest else "LIMIT ?")
        rows = await self._run(lambda: self._open().execute(query, known).fetchall())
        return [(key, self._parsed(key, raw)) for key, raw in rows]

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        return await self._run(lambda: self._drawn(draws))

    async def add(self, log: str, records: Mapping[int, bytes]) -> int:
        rows = [(log, number, record) for number, record in records.items()]
        return await self._run(lambda: self._added(rows))

    async def read(self, log: str, start: int, stop: int) -> list[tuple[int, bytes]]:
        query = (
            "SELECT number, record FROM records"
            " WHERE log = ? AND number >= ? AND number < ? ORDER BY number"
        )
        return await self._run(lambda: self._open().execute(query, (log, start, stop)).fetchall())

    async def numbers(self, log: str) -> frozenset[int]:
        query = "SELECT number FROM records WHERE log = ?"
        rows = await self._run(lambda: self._open().execute(query, (log,)).fetchall())
        return frozenset(number for (number,) in rows)

    async def drop(self, log: str) -> None:
        await self._run(lambda: self._dropped(log))

    async def cache_get(self, cache: str, key: str) -> bytes | None:
        return await self._run(lambda: sqlite_cache.get(self._open(), cache, key, time.time()))

    async def cache_put(self, cache: str, key: str, put: Put) -> Kept:
        def keep() -> Kept:
            with self._transaction() as opened:
                return sqlite_cache.put(opened, cache, key, put, time.time())

        return await self._run(keep)

    async def cache_drop(self, cache: str, key: str) -> None:
        def drop() -> None:
            with self._transaction() as opened:
                sqlite_cache.drop(opened, cache, key)

        await self._run(drop)

    async def close(self) -> None:
        def close() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, close)
            self._thread.shutdown()

    async def _run(self, work: Callable[[], Found]) -> Found:
        if self._closed:
            raise StoreError(f"{self._name} is closed.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            hint = hint_for(error)
            raise StoreError(f"{self._name} did not answer: {error}.", hint=hint) from error

    @property
    def _name(self) -> str:
        return "The store in memory" if self._path is None else f"The store {self._path}"

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # An empty name is a private database that is written to a disk where it grows.
            name = "" if self._path is None else str(self._path)
            opened = sqlite3.connect(name, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                opened.execute("PRAGMA journal_mode = WAL" if self._path else "PRAGMA user_version")
                opened.execute("PRAGMA synchronous = NORMAL")
                opened.executescript(SCHEMA)
            except BaseException:
                opened.close()
                raise
            self._connection = opened
        return self._connection

    def _tried(self) -> None:
        with self._transaction():
            pass

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """What others write meanwhile waits: no write is made from a value that is out of date."""
        opened = self._open()
        opened.execute("BEGIN IMMEDIATE")
        try:
            yield opened
            opened.execute("COMMIT")
        except BaseException:
            if opened.in_transaction:
                opened.execute("ROLLBACK")
            raise

    def _value(self, key: str) -> str | None:
        query = 'SELECT value FROM "values" WHERE key = ?'
        row = self._open().execute(query, (key,)).fetchone()
        return None if row is None else row[0]

    def _keep(self, rows: list[tuple[str, str]]) -> None:
        with self._transaction() as opened:
            opened.executemany(REPLACE, rows)

    def _changed(self, key: str, update: Update) -> Any:
        with self._transaction() as opened:
            value = update(self._parsed(key, self._value(key)))
            if value is None:
                opened.execute('DELETE FROM "values" WHERE key = ?', (key,))
            else:
                opened.execute(REPLACE, (key, written(value)))
            return value

    def _parsed(self, key: str, raw: str | None) -> Any:
        try:
            return None if raw is None else json.loads(raw)
        except ValueError as error:
            raise StoreError(f"{self._name} holds no JSON under {key}.") from error

    def _added(self, rows: list[tuple[str, int, bytes]]) -> int:
        with self._transaction() as opened:
            return opened.executemany(ADD, rows).rowcount

    def _drawn(self, draws: Sequence[Draw]) -> list[Drawn]:
        now, found = time.time(), list[Drawn]()
        with self._transaction() as opened:
            if now >= self._swept + SWEPT_EVERY_S:
                self._swept = now
                opened.execute("DELETE FROM counters WHERE until <= ?", (now,))
            for one in draws:
                row = opened.execute(COUNTED, (one.counter, now)).fetchone()
                found.append(drawn(row[0] if row else 0, one))
                opened.execute(COUNT, (one.counter, found[-1].total, now + one.keep_s))
        return found

    def _dropped(self, log: str) -> None:
        with self._transaction() as opened:
            opened.execute("DELETE FROM records WHERE log = ?", (log,))
