"""`coterie router`: fit a router to a file, choose its price."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options, running

router = typer.Typer(no_args_is_help=True, help="Fit and inspect routers; no expert is asked.")
Name = Annotated[str, typer.Argument(help="A name from the configuration's `routers`.")]


@router.command()
def fit(
    name: Name,
    config: options.Config = options.DEFAULT_CONFIG,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write. Default: the router's `artifact`."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A running service that then uses the new router.")
    ] = None,
    api_key: options.ApiKey = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            "-t",
            help="Fit to the outcomes of this task only: its name, or its file, called like the"
            " task; may be repeated. Default: the router's `tasks`, else all.",
        ),
    ] = None,
) -> None:
    """Fit a router to its outcome table and write it to a file."""
    arguments = (config, name, out, url, api_key, tuple(task or ()))
    running.call("orchestrator.cli.router_fitting:fit_and_reload", *arguments)


@router.command()
def calibrate(
    name: Name,
    max_price: Annotated[
        float, typer.Option(min=0, help="The highest mean price, in USD per million tokens.")
    ],
    config: options.Config = options.DEFAULT_CONFIG,
) -> None:
    """Find the best `quality_weight` under a mean price.

    Prints what each weight costs and scores on held-out questions; writes nothing.
    """
    running.call("orchestrator.cli.router_fitting:calibrate_file", config, name, max_price)
