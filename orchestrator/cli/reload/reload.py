"""Configurations of a running service: `coterie reload`, and `coterie config diff` of two files."""

from pathlib import Path

import typer

from experts.errors import ConfigError
from orchestrator.cli.remote import call
from orchestrator.config.difference.difference import difference
from orchestrator.config.difference.files import Fingerprints
from orchestrator.config.model import load_config

RELOAD_TIMEOUT_S = 3600.0
"""A reload waits for loads and for what drains; the service bounds each of them."""


def reload(url: str, api_key: str | None, dry_run: bool) -> None:
    """Let a service read its file again. Raises ServiceError, also where it refuses."""
    body = {"dry_run": dry_run}
    told = call("POST", url, "/coterie/reload", api_key, body, timeout_s=RELOAD_TIMEOUT_S)
    for line in told["difference"]:
        typer.echo(line)
    for line in told["warnings"]:
        typer.echo(f"warning: {line}")
    generation = told["generation"]
    if told["result"] == "applied":
        typer.echo(f"generation {generation} runs")
    elif not told["difference"]:
        typer.echo(f"nothing differs from generation {generation}, which runs")


def diff(before: Path, after: Path) -> None:
    """Print what differs; exits with 1 where anything does. Raises ConfigError."""
    configs, problems = [], []
    for file in (before, after):
        try:
            configs.append(load_config(file))
        except ConfigError as error:
            said = error.problems or (str(error),)
            named = (problem.removeprefix(f"{file}: ") for problem in said)
            problems += [f"{file}: {problem}" for problem in named]
    if problems:
        raise ConfigError("A file has mistakes.", problems=tuple(problems))
    old, new = configs
    files = Fingerprints()
    found = difference(old, new, files.of_all(old), files.of_all(new))
    for line in found.lines:
        typer.echo(line)
    if not found.changes:
        typer.echo("nothing differs")
        return
    raise typer.Exit(1)
