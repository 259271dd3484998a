"""A store in a file: where it cannot be, what is no store, and an end without warning."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experts.errors import ServiceError, StoreError
from orchestrator.store.opening import open_store

WRITER = """
import asyncio, sys
from pathlib import Path
from orchestrator.store.sqlite_store import SqliteStore

async def write():
    store = SqliteStore(Path(sys.argv[1]))
    for number in range(1_000_000):
        await store.add("log", {number: b"x" * 500})
        print(number, flush=True)

asyncio.run(write())
"""


async def test_a_folder_that_cannot_be_is_an_error_of_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ServiceError, match="did not answer") as caught:
        await open_store(f"sqlite:{tmp_path}/file/store.db")
    assert "sqlite:PATH" in caught.value.hint


async def test_another_file_is_an_error_of_the_start(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database. " * 100)
    with pytest.raises(ServiceError, match="not a database"):
        await open_store(f"sqlite:{path}")
    assert path.read_text().startswith("These are notes")


async def test_a_disk_that_is_full_is_told_and_nothing_is_lost(tmp_path: Path, stores: Any) -> None:
    store = await stores(f"sqlite:{tmp_path / 'store.db'}")
    await store.add("log", {0: b"x"})
    await store._run(lambda: store._open().execute("PRAGMA max_page_count = 8"))
    with pytest.raises(StoreError, match=r"full.* Make room"):
        await store.add("log", {1: b"y", 2: bytes(1 << 20)})
    assert await store.numbers("log") == {0}
    await store.add("log", {1: b"y"})
    assert await store.numbers("log") == {0, 1}


async def test_a_file_that_another_process_keeps_locked(
    tmp_path: Path, stores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.store.sqlite_store.BUSY_TIMEOUT_S", 0.05)
    url = f"sqlite:{tmp_path / 'store.db'}"
    store = await stores(url)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked.* end that one"):
        await store.change("x", lambda _: 1)
    assert await store.get("x") is None
    with pytest.raises(ServiceError, match="locked") as caught:
        await open_store(url)
    assert "end that one" in caught.value.hint
    other.execute("ROLLBACK")
    other.close()
    assert await store.change("x", lambda _: 1) == 1


async def test_a_file_that_cannot_be_written(tmp_path: Path, stores: Any) -> None:
    store = await stores(f"sqlite:{tmp_path / 'store.db'}")
    # What SQLite says of such a file, root or not.
    await store._run(lambda: store._open().execute("PRAGMA query_only = ON"))
    with pytest.raises(StoreError, match=r"readonly.* Let this user write"):
        await store.put("x", 1)
    await store._run(lambda: store._open().execute("PRAGMA query_only = OFF"))
    await store.put("x", 1)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
async def test_a_file_that_cannot_be_written_is_an_error_of_the_start(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'store.db'}"
    await (await open_store(url)).close()
    (tmp_path / "store.db").chmod(0o400)
    with pytest.raises(ServiceError, match="readonly") as caught:
        await open_store(url)
    assert "Let this user write" in caught.value.hint


@pytest.mark.slow
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, stores: Any) -> None:
    path = tmp_path / "store.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(200)]
        os.kill(writer.pid, signal.SIGKILL)
        told += [int(line) for line in writer.stdout if line.endswith("\n")]
    numbers = await (await stores(f"sqlite:{path}")).numbers("log")
    assert numbers >= set(told)
    assert numbers == set(range(len(numbers)))
