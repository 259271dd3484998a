"""How a command runs: its code is imported when it is called, and errors become exit codes."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer

from experts.errors import ConfigError, CoterieError
from orchestrator.cli.empty_values import refuse_empty


def call(target: str, *arguments: Any, **keywords: Any) -> Any:
    """Call a function, `module:name`.

    Its module is imported only now: `coterie --help` must not wait for Ray, torch or pydantic.
    """
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)(*arguments, **keywords)


def run(application: typer.Typer, parts: Mapping[str, str] | None = None) -> None:
    """Run a command line: an error of ours is one clear message and an exit code.

    `parts` are functions of packages above that commands may call, by name, as `module:name`.
    """
    command = typer.main.get_command(application)
    refuse_empty(command)
    try:
        command(obj=dict(parts or {}))
    except ConfigError as error:
        typer.echo(f"error: {error}", err=True)
        for problem in error.problems:
            typer.echo(f"  {problem}", err=True)
        raise SystemExit(2) from None
    except CoterieError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
