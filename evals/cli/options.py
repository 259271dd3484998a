"""Options that several commands of the evaluation share."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

DATA_ROOT = "COTERIE_DATA_ROOT"

Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        "-t",
        help="Only these questions: a task's name, its YAML file, a JSONL, JSON, CSV or parquet"
        " file, or a folder of them; may be repeated. Default: the tasks of the zoo.",
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        envvar=DATA_ROOT, help="Folder of the questions that benchmarks need. Default: data."
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


def wanted(tasks: Sequence[str] | None, data_root: Path | None) -> tuple[str, ...]:
    """The tasks that are named; where their data is goes into the environment of the command."""
    if data_root is not None:
        os.environ[DATA_ROOT] = str(data_root)
    return tuple(tasks or ())
