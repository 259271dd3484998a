"""The answers of experts, on disk: a call is made once, whichever run or process needs it."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from evals.runs.record import LoadEvent, Tokens
from experts.errors import ConfigError, CoterieError, ServiceError

FILE = "answers.sqlite"
APPLICATION_ID = 0x436F7465
"""Stands in the file's header, so that another program's file is not taken for a cache."""
FORMAT = 1
BUSY_MS = 60_000
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, version TEXT NOT NULL, expert TEXT NOT NULL, response TEXT NOT NULL,
    seconds REAL NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    run TEXT NOT NULL, at_s REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_of_run ON answers (run);
CREATE INDEX IF NOT EXISTS answers_of_version ON answers (version, seconds);
CREATE TABLE IF NOT EXISTS loads (
    run TEXT NOT NULL, expert TEXT NOT NULL, slot TEXT NOT NULL, at_s REAL NOT NULL,
    seconds REAL NOT NULL
);
"""


class Stored(NamedTuple):
    """An answer of the cache."""

    response: Mapping[str, Any]
    """The whole response, as parsed from JSON."""
    seconds: float
    run: str
    """The run that asked."""


class NewAnswer(NamedTuple):
    """An answer to keep."""

    key: bytes
    version: str
    expert: str
    response: Mapping[str, Any]
    seconds: float
    tokens: Tokens
    run: str
    at_s: float
    """Seconds on the run's clock."""


class Asked(NamedTuple):
    """What a run has asked of one expert, in all its sessions."""

    calls: int
    tokens: Tokens


def default_cache() -> Path:
    """The cache that a user's runs share, as the XDG base directories say."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "coterie" / FILE


class AnswerCache:
    """One file of SQLite. Every answer is committed by itself: what is here survives a kill."""

    def __init__(self, path: Path) -> None:
        """Open, or begin, a cache. Raises ConfigError where the file or its folder is wrong."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{path.parent} cannot hold a cache: {error.strerror}.") from error
        with self._errors():
            # Each statement is a transaction of its own.
            self._base = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
            try:
                self._begin()
            except BaseException:
                self._base.close()
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def get(self, key: bytes) -> Stored | None:
        """The answer to a call, if somebody has asked."""
        with self._errors():
            row = self._base.execute(
                "SELECT response, seconds, run FROM answers WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        try:
            return Stored(json.loads(row[0]), row[1], row[2])
        except ValueError as error:
            raise self._damaged() from error

    def put(self, new: NewAnswer) -> Stored:
        """Keep an answer; returns the one that counts, where another process was faster.

        Raises ServiceError where the disk is full.
        """
        text = json.dumps(new.response)
        tokens = (new.tokens.prompt, new.tokens.completion)
        row = (*new[:3], text, new.seconds, *tokens, new.run, new.at_s)
        with self._errors():
            done = self._base.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )
        found = self.get(new.key) if done.rowcount == 0 else None
        return found or Stored(new.response, new.seconds, new.run)

    def add_load(self, run: str, load: LoadEvent) -> None:
        """Keep what a run has seen of the slots."""
        with self._errors():
            self._base.execute(
                "INSERT INTO loads VALUES (?, ?, ?, ?, ?)",
                (run, load.expert, load.slot, load.at_s, load.seconds),
            )

    def loads(self, run: str) -> tuple[LoadEvent, ...]:
        """The loads of a run, in their order."""
        with self._errors():
            rows = self._base.execute(
                "SELECT expert, slot, at_s, seconds FROM loads WHERE run = ? ORDER BY at_s", (run,)
            ).fetchall()
        return tuple(LoadEvent(expert=e, slot=s, at_s=at, seconds=took) for e, s, at, took in rows)

    def asked(self, run: str) -> dict[str, Asked]:
        """Expert -> what a run has asked of it."""
        with self._errors():
            rows = self._base.execute(
                "SELECT expert, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens)"
                " FROM answers WHERE run = ? GROUP BY expert ORDER BY expert",
                (run,),
            ).fetchall()
        return {e: Asked(n, Tokens(prompt=read, completion=new)) for e, n, read, new in rows}

    def clock_s(self, run: str) -> float:
        """How far a run's clock was when its last answer, or load, came."""
        with self._errors():
            (found,) = self._base.execute(
                "SELECT MAX(at_s) FROM (SELECT at_s FROM answers WHERE run = ?1"
                " UNION ALL SELECT at_s FROM loads WHERE run = ?1)",
                (run,),
            ).fetchone()
        return float(found or 0.0)

    def costs(self, expert: str, version: str) -> dict[str, float]:
        """What a load of the expert and a call of that version took on average, if any is known."""
        with self._errors():
            run = self._base.execute
            load = run("SELECT AVG(seconds) FROM loads WHERE expert = ?", (expert,)).fetchone()
            call = run("SELECT AVG(seconds) FROM answers WHERE version = ?", (version,)).fetchone()
        found = {"load_s": load[0], "service_s": call[0]}
        return {name: value for name, value in found.items() if value is not None}

    def _begin(self) -> None:
        run = self._base.execute
        owner, version = (
            run(f"PRAGMA {n}").fetchone()[0] for n in ("application_id", "user_version")
        )
        if owner != APPLICATION_ID:
            if owner or run("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0]:
                raise ConfigError(
                    f"{self.path} is no cache of answers, but another program's file.",
                    hint="Name another file with --cache.",
                )
        elif version != FORMAT:
            raise ConfigError(
                f"{self.path} is a cache of format {version}; this version reads {FORMAT}.",
                hint="Name another file with --cache.",
            )
        # Readers and a writer at a time; what is committed survives the process, not the power.
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        if owner != APPLICATION_ID:
            self._base.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
            run(f"PRAGMA application_id = {APPLICATION_ID}")
            run(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> CoterieError:
        # The low byte says what is wrong, the rest where it was noticed.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return ServiceError(
                f"{self.path} cannot grow ({error}). Every answer so far is kept.",
                hint="Make room on the disk, then run the same command again.",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._damaged()
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return ServiceError(
                f"Another process holds {self.path} for more than {BUSY_MS // 1000} s.",
                hint="Run the same command again; every answer so far is kept.",
            )
        return ConfigError(
            f"The cache {self.path} cannot be written ({error}).",
            hint="Name a file in a folder of your own with --cache.",
        )

    def _damaged(self) -> ConfigError:
        return ConfigError(
            f"{self.path} is damaged, or no cache of answers.",
            hint="Move it away, or name another file with --cache; nothing in it was changed.",
        )
