"""What the GPU check says to a command line that cannot be, and to a check of nothing."""

from pathlib import Path

import pytest

from deploy.gpu_check.__main__ import main
from deploy.gpu_check.options import CPU_TOTAL_LIMIT_S, TOTAL_LIMIT_S, parse


@pytest.mark.parametrize("value", ["-5", "0", "nan", "inf", "soon"])
def test_a_limit_that_is_none_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"--total-limit={value}"])
    assert ended.value.code == 2
    assert "--total-limit" in capsys.readouterr().err


def test_a_number_of_jobs_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--jobs=0"])
    assert "must be 1 or more, not 0" in capsys.readouterr().err


def test_limits_have_defaults() -> None:
    assert parse([]).total_limit_s == TOTAL_LIMIT_S
    assert parse(["--cpu"]).total_limit_s == CPU_TOTAL_LIMIT_S
    assert parse(["--total-limit", "0.5"]).total_limit_s == 0.5


@pytest.mark.parametrize("option", ["--out", "--work"])
def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (tmp_path / "file").write_text("")
    folders = {"--out": str(tmp_path / "out"), option: str(tmp_path / "file" / "folder")}
    words = [word for pair in folders.items() for word in pair]
    assert main(["--cpu", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gpu-check: {tmp_path}/file/folder cannot be written (")
    assert "--out or --work" in line


def test_a_check_in_which_nothing_ran_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--cpu", "--only", "mixture", "--out", str(tmp_path), "--work", str(tmp_path)]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "nothing was checked: all 1 steps were skipped" in said
    assert '"passed": false' in (tmp_path / "report.json").read_text()
