"""The engine of the environment that runs this test, beside the repository's lock."""

from pathlib import Path

from orchestrator.cli.doctor.engine import BUILDS, read_installed


def test_this_environment_is_read() -> None:
    installed = read_installed()
    assert installed.engine in BUILDS
    assert installed.locked is not None
    assert installed.locked["ray"] == installed.versions["ray"]


def test_without_a_clone_there_is_no_lock(tmp_path: Path) -> None:
    assert read_installed(tmp_path).locked is None
