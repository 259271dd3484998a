"""`coterie eval run`: what its options mean, and which do not go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evals.cli import main, runs
from experts.errors import ConfigError


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(runs, "launch", lambda *arguments: found.append(arguments))
    return found


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main.app, ["eval", "run", "t.yaml", "-o", "out", *arguments])


def told(launched: list[Any], *arguments: str) -> tuple[Path | None, dict[str, Any], bool]:
    done = invoke(*arguments)
    assert done.exception is None, done.output
    [(_, nothing, config, keywords, dry)] = launched
    assert nothing is None
    launched.clear()
    return config, keywords, dry


def test_the_zoo_is_the_pool_unless_a_service_is_named(launched: list[Any]) -> None:
    assert told(launched)[0] == Path("examples/zoo.yaml")
    config, keywords, _ = told(launched, "--url", "http://here:1/v1/", "--models", "a,b")
    assert config is None
    assert keywords["url"] == "http://here:1"
    assert keywords["models"] == ("a", "b")
    config, _, dry = told(launched, "--url", "http://here:1", "-c", "p.yaml", "--dry-run")
    assert config == Path("p.yaml")
    assert dry


def test_several_samples_are_sampled(launched: list[Any]) -> None:
    assert told(launched)[1]["sampling"] == (0, None, 1)
    assert told(launched, "--samples", "3", "--seed", "4")[1]["sampling"] == (4, 0.7, 3)
    several = told(launched, "--samples", "3", "--temperature", "0.2")[1]
    assert several["sampling"] == (0, 0.2, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--samples", "2", "--temperature", "0"], "At temperature 0"),
        (["--cache", "x", "--no-cache"], "exclude each other"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], words: str) -> None:
    done = invoke(*arguments)
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--in-flight", "0"], ["--split", "x"]])
def test_bounds(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2
