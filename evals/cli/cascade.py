"""`coterie cascade`: how sure the experts of a cascade must be."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from evals.client.progress import Progress
from evals.reporting.table import make_console
from orchestrator.config.model import load_config

cascade = typer.Typer(no_args_is_help=True, help="Fit cascades to what their experts know.")


@cascade.callback()
def _group() -> None:
    """Keeps `fit` a subcommand, though it is the only one."""


@cascade.command()
def fit(
    composition: Annotated[str, typer.Argument(help="A composition whose aggregator is one.")],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The YAML file that describes the pool.")
    ] = Path("examples/cascade.yaml"),
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="Only this task; may be repeated.")
    ] = None,
    max_price: Annotated[
        float | None, typer.Option(help="USD that a question may cost in the mean.")
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share that must be right.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; else the cascade's `thresholds`.")
    ] = None,
) -> None:
    """Ask a cascade's experts the probe questions, and write how sure each must be.

    Without bounds: the cheapest cascade that is as accurate as its last expert alone.
    """
    settings = load_config(config)
    console = make_console()
    with Progress(console) as progress:
        progress.doing("loading the code")
        run = import_module("evals.cli.launch").cascade
        bounds = (max_price, min_accuracy)
        finish = uvloop.run(run(progress, settings, composition, tuple(task or ()), bounds, out))
    raise typer.Exit(finish(console))
