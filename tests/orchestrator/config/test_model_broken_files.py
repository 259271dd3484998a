"""What `coterie validate` says of broken files: every message names the place and the remedy."""

import shutil
import sys
from pathlib import Path

import pytest
from config_files import write_all

from orchestrator.cli.main import app
from orchestrator.cli.running import run

THERE = Path(__file__).parent / "broken"
FILES = sorted(THERE.glob("*.yaml"))
"""The first line of each says what must be told: the path, and words of the remedy."""


def test_there_are_thirty_kinds_of_mistake() -> None:
    assert len(FILES) >= 30


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_place_and_the_remedy_are_told(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    write_all(tmp_path)  # Its checkpoints lie beside a file.
    copy = shutil.copy(file, tmp_path)
    monkeypatch.setattr(sys, "argv", ["coterie", "validate", str(copy)])
    with pytest.raises(SystemExit) as ended:
        run(app)
    said = " ".join(capsys.readouterr().err.split())
    print(f"\n{file.name:>42}  {said.rpartition('mistake. ')[2]}")  # Shown with `pytest -s`.
    path, remedy = file.read_text().splitlines()[0].removeprefix("# ").split(" | ")
    assert ended.value.code == 2
    assert f"{path}: " in said or f"{path} " in said
    assert remedy in said
    assert "s3cret" not in said
