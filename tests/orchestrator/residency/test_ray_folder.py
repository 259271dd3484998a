"""Files and processes of local Rays: they go with their owner, or when the next one starts."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray

from experts.errors import ServiceError
from orchestrator.config.slots_section import RayConfig, SlotsConfig
from orchestrator.residency import ray_folder
from orchestrator.residency.ray_cluster import connect
from orchestrator.residency.ray_folder import LONGEST, RayFolder, Watchdog, clean, users_of

OWNER = """
from orchestrator.residency.ray_folder import RayFolder
print(RayFolder().path, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ray_folder, "_root", lambda: tmp_path)
    return tmp_path


def test_a_folder_goes_with_its_owner(root: Path) -> None:
    folder = RayFolder()
    (folder.path / "session_1").mkdir()
    (folder.path / "session_1" / "log").write_text("words")
    assert list(root.iterdir()) == [folder.path]
    folder.remove()
    assert list(root.iterdir()) == []


def test_only_folders_of_ours_without_an_owner_are_stale(root: Path) -> None:
    alive = RayFolder()
    (root / f"{ray_folder.PREFIX}crashed" / "session_1").mkdir(parents=True)
    (root / "ray" / "session_2").mkdir(parents=True)
    (root / f"{ray_folder.PREFIX}link").symlink_to(root / "ray")
    mine = RayFolder()
    mine.remove_stale()
    left = {path.name for path in root.iterdir()}
    assert left == {alive.path.name, mine.path.name, "ray", f"{ray_folder.PREFIX}link"}
    assert (root / "ray" / "session_2").is_dir()
    for folder in (alive, mine):
        folder.remove()


def test_a_folder_whose_owner_was_killed_is_stale(root: Path) -> None:
    # The other process uses the real root: its temporary folder is this test's.
    environment = {**os.environ, "TMPDIR": tempfile.mkdtemp(dir="/tmp")}
    there = Path(environment["TMPDIR"])
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        theirs = Path(owner.stdout.readline().strip())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ray_folder, "_root", lambda: theirs.parent)
            mine = RayFolder()
            mine.remove_stale()
            assert theirs.is_dir()
            owner.send_signal(signal.SIGKILL)
            owner.wait()
            mine.remove_stale()
            assert not theirs.exists()
            mine.remove()
    there.rmdir()


def test_a_long_temporary_folder_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp/" + "x" * 80)
    folder = RayFolder()
    assert len(str(folder.path)) <= LONGEST
    folder.remove()


# The watchdog.

HOLDER = "import sys; file = open(sys.argv[1], sys.argv[2]); print('open', flush=True); input()"
WATCHED_OWNER = """
    import sys
    from pathlib import Path
    from orchestrator.residency.ray_folder import Watchdog
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
    owner = start(WATCHED_OWNER, str(folder))
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


def test_a_token_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_token(**_: object) -> None:
        raise ray.exceptions.AuthenticationError("no authentication token was found")

    monkeypatch.setattr(ray, "init", without_token)
    with pytest.raises(ServiceError, match=r"no authentication token was found.*RAY_AUTH_TOKEN"):
        connect(RayConfig(address="auto"), SlotsConfig())


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no.such.invalid:1", "x"])
def test_a_cluster_that_is_not_there(address: str) -> None:
    with pytest.raises(ServiceError) as caught:
        connect(RayConfig(address=address), SlotsConfig())
    assert str(caught.value).startswith(f"Ray is not reachable at {address}: ")
    assert "\n" not in str(caught.value)
    assert "Correct `ray.address`" in str(caught.value)
