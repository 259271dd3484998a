"""`coterie expert`: a new expert of a pool."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli import options

expert = typer.Typer(no_args_is_help=True, help="Introduce a new expert to the routers.")


@expert.callback()
def _group() -> None:
    """Keep `add` a subcommand, though it is the only one."""


@expert.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="The configuration with the new expert, or only its lines.")
    ],
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration without the new expert.")
    ] = options.DEFAULT_CONFIG,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    probes: Annotated[int, typer.Option(min=1, help="Questions that the expert is asked.")] = 64,
    url: Annotated[
        str | None, typer.Option(help="A running service that then uses the new routers.")
    ] = None,
    api_key: options.ApiKey = None,
) -> None:
    """Ask a new expert some questions, and fit every router again.

    The questions are those that tell most about where the expert is better than the others.
    """
    launch(
        "evals.fitting.expert_add:add_file",
        None,
        file,
        config,
        own.wanted(task, data_root),
        probes,
        url,
        api_key,
    )
