"""The command line: what it needs to start, and what a wrong configuration gets."""

import subprocess
import sys
from pathlib import Path

import pytest

from evals.cli.main import main


def test_the_command_line_starts_without_anything_heavy() -> None:
    heavy = "{'ray', 'torch', 'vllm', 'fastapi', 'sklearn', 'transformers', 'pyarrow'}"
    program = f"import sys, evals.cli.main; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, encoding="utf-8"
    )

    assert printed.stdout == "[]\n"


@pytest.mark.parametrize("command", [["demo"], ["profile"], ["bench"], ["zoo", "report"]])
def test_a_missing_configuration_is_one_line_and_exit_code_2(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["coterie", *command])

    with pytest.raises(SystemExit) as caught:
        main()

    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: examples/zoo.yaml: No such file")
    assert printed.err.count("\n") == 1
