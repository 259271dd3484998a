"""Files that cannot be written are told before the work, and nothing is made for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.reporting.outputs import check_outputs
from experts.errors import ConfigError


@pytest.mark.parametrize("name", ["picture.gif", "picture", "picture.SVG"])
def test_a_picture_has_one_of_two_endings(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--plot .* must end with \.svg or \.png"):
        check_outputs(Path(name))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--json .* \(it is a folder\)"):
        check_outputs(json=tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--vectors .*file is a file"):
        check_outputs(vectors=tmp_path / "file" / "deep" / "v.npz")


def test_what_can_be_made_is_not_made_yet(tmp_path: Path) -> None:
    check_outputs(tmp_path / "new" / "map.png", json=tmp_path / "new.json", vectors=None)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old.json").touch()
    monkeypatch.setattr("evals.reporting.outputs.os.access", lambda *_: False)
    with pytest.raises(ConfigError, match="it is read-only"):
        check_outputs(json=tmp_path / "old.json")
    with pytest.raises(ConfigError, match="nothing can be made in"):
        check_outputs(json=tmp_path / "new.json")
