"""Options that several commands of the evaluation share."""

from pathlib import Path
from typing import Annotated

import typer

Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        "-t",
        help="Only this task: its name, its YAML file, or a folder of tasks; may be repeated."
        " Default: all of ours.",
    ),
]
Compositions = Annotated[
    list[str] | None,
    typer.Option(
        "--composition", "-m", help="A name from `compositions`; may be repeated. Default: all."
    ),
]
Rounds = Annotated[int, typer.Option(min=1, help="Interleaved rounds of measurements.")]
JsonOut = Annotated[
    Path | None, typer.Option("--json", help="Also write every number to this file.")
]
