"""`coterie router`: fit a router to a file, choose its price, draw its map; no expert is asked."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.remote import call
from orchestrator.config.model import load_config

router = typer.Typer(no_args_is_help=True, help="Fit the routers of a configuration.")

Name = Annotated[str, typer.Argument(help="A name from `routers`.")]
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The YAML file.")]
DEFAULT = Path("examples/zoo.yaml")
FITTING = "orchestrator.cli.router_fitting"
"""Imported late: scikit-learn, scipy and pyarrow take a second."""


@router.command()
def fit(
    name: Name,
    config: ConfigFile = DEFAULT,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; else the router's `artifact`.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A running service that shall decide with it at once.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="A key of that service, where it wants one.")
    ] = None,
) -> None:
    """Fit a router from its outcome table and write it to a file, in one step."""
    importlib.import_module(FITTING).fit(load_config(config), name, out)
    if url is not None:
        call("POST", url, f"/coterie/routers/{name}/reload", api_key)
        typer.echo(f"{url} decides with it now")


@router.command()
def calibrate(
    name: Name,
    max_price: Annotated[
        float, typer.Option(min=0, help="Wanted mean price, USD per million tokens.")
    ],
    config: ConfigFile = DEFAULT,
) -> None:
    """Find the `quality_weight` with which a question costs no more; nothing is fitted anew."""
    importlib.import_module(FITTING).calibrate(load_config(config), name, max_price)


@router.command("map")
def show_map(
    name: Name,
    config: ConfigFile = DEFAULT,
    plot: Annotated[
        Path | None, typer.Option(help="Draw quality against size: .svg or .png.")
    ] = None,
) -> None:
    """Print a composition's map, and the best maps under other budgets."""
    importlib.import_module(FITTING).show_map(load_config(config), name, plot)
