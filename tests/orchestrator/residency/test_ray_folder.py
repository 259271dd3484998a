"""Folders of local Rays: each has one owner, and goes with it, or when the next one starts."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestrator.residency import ray_folder
from orchestrator.residency.ray_folder import LONGEST, RayFolder

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
