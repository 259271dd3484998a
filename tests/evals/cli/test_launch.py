"""What runs around a command that measures: configuration, progress, exit code."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from evals.cli.launch import launch
from evals.client.progress import Progress
from evals.reporting.table import Finish
from experts.errors import ConfigError
from orchestrator.config.model import Config


def _finish(console: Console) -> int:
    console.print("found")
    return 3


async def measure(progress: Progress, settings: Config, word: str) -> Finish:
    """A command that needs a configuration."""
    progress.say(f"{word} {', '.join(settings.experts)}")
    return _finish


def compute(progress: Progress, word: str) -> Finish:
    """A command without one, that awaits nothing."""
    progress.say(word)
    return _finish


async def work_for_ever(progress: Progress, number: int) -> Finish:
    """A command that has something to clean up, and is told to end."""
    try:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()
    finally:
        progress.say("cleaned up")
    return _finish


def compute_for_ever(progress: Progress, number: int) -> Finish:
    """The same without an event loop."""
    try:
        os.kill(os.getpid(), number)
        time.sleep(60)
    finally:
        progress.say("cleaned up")
    return _finish


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pool.yaml"
    remote = '{type: openai, base_url: "http://127.0.0.1:9/v1", model: m}'
    path.write_text(f"experts: {{alpha: {remote}}}\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cli.logs.configure_quietly", lambda: None)


@pytest.mark.parametrize("name", ["measure", "compute"])
def test_it_exits_with_what_was_found(
    file: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    config = file if name == "measure" else None
    with pytest.raises(typer.Exit) as ended:
        launch(f"{__name__}:{name}", config, "asked")

    lines = [line.partition(" s  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert ended.value.exit_code == 3
    assert lines == ["starting", "asked alpha" if config else "asked", ""]  # then: found


@pytest.mark.parametrize("name", ["work_for_ever", "compute_for_ever"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_cleans_up(
    capsys: pytest.CaptureFixture[str], name: str, number: int
) -> None:
    handler = signal.getsignal(number)
    with pytest.raises(typer.Exit) as ended:
        launch(f"{__name__}:{name}", None, number)
    assert ended.value.exit_code == 128 + number
    assert "cleaned up" in capsys.readouterr().out
    assert signal.getsignal(number) is handler


def test_it_does_so_in_the_background_too_where_ctrl_c_is_ignored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(typer.Exit) as ended:
            launch(f"{__name__}:work_for_ever", None, signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.exit_code == 128 + signal.SIGTERM
    assert "cleaned up" in capsys.readouterr().out


def test_ctrl_c_is_left_to_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        launch(f"{__name__}:work_for_ever", None, signal.SIGINT)
    assert "cleaned up" in capsys.readouterr().out


def test_a_mistake_in_the_configuration_is_found_before_anything_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError):
        launch(f"{__name__}:measure", tmp_path / "none.yaml", "asked")
    assert capsys.readouterr().out == ""


def test_a_command_that_fails_leaves_no_progress_behind(file: Path, monkeypatch: Any) -> None:
    ended = []
    leave = Progress.__exit__

    def left(self: Progress, *error: Any) -> None:
        ended.append(error[0])
        leave(self, *error)

    monkeypatch.setattr(Progress, "__exit__", left)

    async def broken(progress: Progress, settings: Config) -> Finish:
        raise ConfigError("It broke.")

    monkeypatch.setattr(f"{__name__}.broken", broken, raising=False)
    with pytest.raises(ConfigError, match="It broke"):
        launch(f"{__name__}:broken", file)
    assert ended == [ConfigError]
