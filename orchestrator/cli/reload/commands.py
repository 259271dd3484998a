"""`coterie config`: configurations as files."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import running

config = typer.Typer(no_args_is_help=True, help="Compare configuration files.")


@config.callback()
def _group() -> None:
    """Keep `diff` a subcommand, though it is the only one."""


@config.command()
def diff(
    before: Annotated[Path, typer.Argument(help="The YAML file that runs, or ran before.")],
    after: Annotated[Path, typer.Argument(help="The YAML file that is to take its place.")],
) -> None:
    """Tell what differs between two configurations.

    Each line is a change that a running service takes over, or begins with `needs a restart`. No
    secret is shown. The exit code is 0 where nothing differs, 1 where something does, 2 for a file
    with mistakes.
    """
    running.call("orchestrator.cli.reload.reload:diff", before, after)
