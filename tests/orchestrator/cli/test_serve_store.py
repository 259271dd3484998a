"""Where `coterie serve` keeps things when the configuration says nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.serve import with_store
from orchestrator.config.model import Config

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}


def config(**keys: str) -> Config:
    return Config.model_validate({"experts": {"a": REMOTE}, **keys})


def test_each_configuration_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one, again, other = (
        with_store(config(), tmp_path / folder / "pool.yaml").store for folder in ("a", "a", "b")
    )
    assert one == again != other
    assert one.startswith(f"sqlite:{tmp_path / 'state' / 'coterie' / 'pool-'}")


def test_what_is_said_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert with_store(config(store="memory"), tmp_path / "pool.yaml").store == "memory"
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert with_store(config(), tmp_path / "pool.yaml").store == "memory"
    assert "cannot be written" in caplog.text
