"""`coterie cascade`: how sure the experts of a cascade must be."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli import options

cascade = typer.Typer(no_args_is_help=True, help="Fit cascades to what their experts know.")


@cascade.callback()
def _group() -> None:
    """Keep `fit` a subcommand, though it is the only one."""


@cascade.command()
def fit(
    composition: Annotated[
        str, typer.Argument(help="A composition whose aggregator is of type `cascade`.")
    ],
    config: options.Config = Path("examples/cascade.yaml"),
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    max_price: Annotated[
        float | None, typer.Option(help="The highest mean price of a question, in USD.")
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="The share that must be right.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write. Default: the cascade's `thresholds`."),
    ] = None,
) -> None:
    """Find how sure each expert of a cascade must be.

    Asks the experts the probe questions. Without bounds, finds the cheapest cascade that is as
    accurate as its last expert alone.
    """
    bounds = (max_price, min_accuracy)
    launch(
        "evals.fitting.cascade:cascade",
        config,
        composition,
        own.wanted(task, data_root),
        bounds,
        out,
    )
