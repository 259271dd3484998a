"""`coterie eval report` and `compare`: what runs say, and what two of them differ in."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch

Run = Annotated[Path, typer.Argument(help="The folder of a run.")]
Samples = Annotated[int, typer.Option(min=0, help="Answers on the page at most, failures first.")]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="People's scores of a few answers, JSON lines with subject, task, sample and score in"
        " 0..1 (draw: 0): they correct accuracies for the bias of a judge."
    ),
]
Html = Annotated[Path | None, typer.Option(help="Also write one page with pictures to this file.")]


def report(run: Run, samples: Samples = 300, labels: Labels = None) -> None:
    """Write a run's report, and print its short table.

    The files are `report.md`, `report.json` and `report.html` in the run's folder. `coterie eval
    run` does so at its end; this does it again, or for a run that was interrupted.
    """
    launch("evals.report.command:report", None, run, samples, labels)


def compare(run_a: Run, run_b: Run, html: Html = None, json_out: own.JsonOut = None) -> None:
    """Compare two runs on their common questions.

    Prints paired differences, B minus A, with intervals, costs, and answers that flipped, as
    Markdown.
    """
    launch("evals.report.command:compare", None, run_a, run_b, html, json_out)
