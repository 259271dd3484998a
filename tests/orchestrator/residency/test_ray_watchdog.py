"""What is ended and removed behind a service, and what is left alone."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.residency.ray_watchdog import Watchdog, clean, users_of

HOLDER = "import sys; file = open(sys.argv[1], sys.argv[2]); print('open', flush=True); input()"
OWNER = """
    import sys
    from pathlib import Path
    from orchestrator.residency.ray_watchdog import Watchdog
    watchdog = Watchdog(Path(sys.argv[1]))
    print(watchdog._process.pid, flush=True)
    input()
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python with some code, and waits for its first line."""
    begun: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout is not None
        process.first_line = process.stdout.readline()  # type: ignore[attr-defined]
        return process

    yield run
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ray" / "logs").mkdir(parents=True)
    (tmp_path / "ray" / "logs" / "raylet.out").write_text("words")
    return tmp_path / "ray"


def test_who_writes_is_ended_and_who_reads_is_not(folder: Path, start: Start) -> None:
    log = str(folder / "logs" / "raylet.out")
    writer, owner = start(HOLDER, log, "a"), start(HOLDER, log, "a")
    reader = start(HOLDER, log, "r")
    beside = start(HOLDER, str(folder.parent / "other"), "w")
    assert users_of(folder, owner.pid) == {writer.pid}
    clean(folder, owner.pid)
    assert writer.wait(10) == -9
    assert (reader.poll(), owner.poll(), beside.poll()) == (None, None, None)
    assert not folder.exists()


def test_it_cleans_up_behind_an_owner_that_was_killed(folder: Path, start: Start) -> None:
    writer = start(HOLDER, str(folder / "logs" / "raylet.out"), "a")
    owner = start(OWNER, str(folder))
    assert writer.poll() is None
    owner.kill()
    assert writer.wait(10) == -9


def test_an_orderly_end_waits_for_it(folder: Path, start: Start) -> None:
    writer = start(HOLDER, str(folder / "logs" / "raylet.out"), "a")
    watchdog = Watchdog(folder)
    assert writer.poll() is None
    with (folder / "logs" / "driver.log").open("a"):  # As Ray's driver has, which is this process.
        watchdog.end()
    assert not folder.exists()
    assert writer.wait(10) == -9
