"""The engine of the environment that runs this test, beside the repository's lock."""

from pathlib import Path

import pytest

from orchestrator.cli.doctor.engine import BUILDS, LIBRARIES, read_installed


def test_this_environment_is_read() -> None:
    installed = read_installed()
    assert installed.engine in BUILDS
    assert installed.locked is not None
    assert installed.locked["ray"] == installed.versions["ray"]


def test_without_a_clone_there_is_no_lock(tmp_path: Path) -> None:
    assert read_installed(tmp_path).locked is None


def test_a_library_that_is_not_on_this_machine_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_installed().missing == ()
    for engine in BUILDS:
        monkeypatch.setitem(LIBRARIES, engine, {"libnowhere.so.7": "libnowhere7"})
    assert read_installed().missing == ("libnowhere.so.7",)
