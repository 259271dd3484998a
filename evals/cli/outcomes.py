"""`coterie outcomes`: the tables that routers are fitted to."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options, running

outcomes = typer.Typer(no_args_is_help=True, help="Write the tables that routers are fitted to.")


@outcomes.callback()
def _group() -> None:
    """Keep `add` a subcommand, though it is the only one."""


@outcomes.command()
def add(
    file: Annotated[Path, typer.Argument(help="JSON lines: query_id, task, query, expert, score.")],
    table: Annotated[
        Path, typer.Option(help="The outcome table; it is created if it does not exist.")
    ],
    traces: Annotated[
        Path | None,
        typer.Option(help="The service's traces.file: tokens and seconds of the same requests."),
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The YAML file that describes the experts.")
    ] = options.DEFAULT_CONFIG,
) -> None:
    """Append scored answers to an outcome table.

    A line that is in the table already is not counted twice.
    """
    running.call("evals.fitting.outcome_rows:add_file", file, table, config, traces)
