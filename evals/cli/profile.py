"""`coterie profile`: the outcome table that routers learn from."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli import options


def profile(
    config: options.Config = options.DEFAULT_CONFIG,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The outcome table; the leads of Symbolic-MoE go beside it. Default: the files"
            " that the routers read.",
        ),
    ] = None,
) -> None:
    """Ask every expert the probe questions, for the routers.

    Writes the outcome table; what is in it already is not asked again.
    """
    launch("evals.fitting.profile:profile", config, own.wanted(task, data_root), out)
