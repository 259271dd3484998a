"""An empty word in place of a file: every command says which option it is, and what it wants."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from evals.cli import main
from orchestrator.cli.empty_values import PREFIX


@pytest.mark.parametrize(
    ("words", "option", "wants"),
    [
        ("router map --fit", "--fit", "Path prefix of recorded tables"),
        ("eval routers --fit", "--fit", "PREFIX_queries.parquet"),
        ("eval routers --fit x --test", "--test", "Prefix of the tables to test on"),
        ("eval votes --fit x --vectors", "--vectors", "A file (.npz)"),
        ("compose --recorded", "--recorded", "path prefix"),
        ("serve --config", "--config", "The YAML file"),
        ("validate", "file", "The YAML file"),
    ],
)
def test_the_option_is_named_with_what_it_wants(
    words: str,
    option: str,
    wants: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["coterie", *words.split(), ""])
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2
    assert option in said
    assert "it is empty. It wants: " in said
    assert wants in said


def _params(command: Any) -> Iterator[Any]:
    yield from command.params
    for inner in getattr(command, "commands", {}).values():
        yield from _params(inner)


def test_every_option_of_a_path_prefix_is_known_as_one() -> None:
    prefixes = [
        param
        for param in _params(typer.main.get_command(main.app))
        if "prefix" in str(getattr(param, "help", "")).lower()
    ]
    assert prefixes
    assert [param.name for param in prefixes if param.metavar != PREFIX] == []
