"""The files of a store and of lines: told before a start, and no folder is made for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from experts.errors import ConfigError
from orchestrator.cli.configuration import validate
from orchestrator.config import checks
from orchestrator.config.checks import unusable_store

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}


@pytest.mark.parametrize("store", ["memory", "redis://localhost:1/0"])
def test_other_stores_have_no_file(store: str) -> None:
    assert unusable_store(store) == []


def test_a_file_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    assert unusable_store(f"sqlite:{tmp_path / 'x.db'}") == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    file = tmp_path / "pool.yaml"
    file.write_text(yaml.safe_dump({"experts": {"a": REMOTE}, "store": "sqlite:nodir/x.db"}))
    with pytest.raises(ConfigError) as caught:
        validate(file)
    (problem,) = caught.value.problems
    assert problem.startswith("store: ")
    assert f"there is no folder {tmp_path / 'nodir'}" in problem
    assert not (tmp_path / "nodir").exists()


@pytest.mark.parametrize("key", ["traces", "feedback"])
def test_neither_is_one_made_for_lines(tmp_path: Path, key: str) -> None:
    file = tmp_path / "pool.yaml"
    tree = {"experts": {"a": REMOTE}, key: {"file": "nodir/lines.jsonl"}}
    file.write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError) as caught:
        validate(file)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{key}.file: ")
    assert f"there is no folder {tmp_path / 'nodir'}" in problem
    assert not (tmp_path / "nodir").exists()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "it is a folder" in unusable_store(f"sqlite:{tmp_path}")[0]


@pytest.mark.parametrize(
    ("closed", "words"), [("folder", "cannot be written"), ("x.db", "the file is read-only")]
)
def test_what_may_not_be_written(
    tmp_path: Path, closed: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "folder" / "x.db"
    file.parent.mkdir()
    file.touch()
    # Not by permissions: whoever runs this may be root, whom they do not hold back.
    monkeypatch.setattr(checks.os, "access", lambda path, _: Path(path).name != closed)
    assert words in unusable_store(f"sqlite:{file}")[0]
