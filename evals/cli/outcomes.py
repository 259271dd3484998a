"""`coterie outcomes`: the tables that routers are fitted from."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.config.model import load_config

outcomes = typer.Typer(no_args_is_help=True, help="Outcome tables, which routers are fitted from.")


@outcomes.callback()
def _group() -> None:
    """Keeps `add` a subcommand, though it is the only one."""


@outcomes.command()
def add(
    file: Annotated[Path, typer.Argument(help="JSON lines: query_id, task, query, expert, score.")],
    table: Annotated[Path, typer.Option(help="The outcome table; made where there is none.")],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The YAML file that describes the experts.")
    ] = Path("examples/zoo.yaml"),
) -> None:
    """Append scored answers to an outcome table; a line that is there already counts once."""
    experts = load_config(config).experts
    # Imported late: `coterie --help` must not wait for pyarrow.
    rows, new = import_module("evals.fitting.outcome_rows").add_scored(file, table, experts)
    typer.echo(f"{table}: {rows} outcomes, {new} of them new")
