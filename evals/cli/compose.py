"""`coterie compose`: from the answers of one sweep, the best composition within bounds."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli.empty_values import PREFIX


class Against(StrEnum):
    """What a frontier is drawn against."""

    price = "price"
    calls = "calls"
    seconds = "seconds"
    memory = "memory"


Run = Annotated[
    Path | None,
    typer.Argument(help="The folder of a `coterie eval run` whose subjects are experts."),
]
Recorded = Annotated[
    str | None,
    typer.Option(
        metavar=PREFIX,
        help="Instead of a run: path prefix of recorded tables, PREFIX_queries.parquet and so on.",
    ),
]
Benchmark = Annotated[str, typer.Option(help="Only the recorded questions of this benchmark.")]
Pool = Annotated[str, typer.Option(help="Only these experts, separated by commas. Default: all.")]
MaxPrice = Annotated[
    float | None, typer.Option(min=0, help="The highest mean price of a question.")
]
MaxCalls = Annotated[
    float | None, typer.Option(min=1, help="The most calls of a question, on average.")
]
MaxPanel = Annotated[int | None, typer.Option(min=1, help="The most calls of any question.")]
MaxSeconds = Annotated[
    float | None,
    typer.Option(
        min=0, help="The most seconds of a question, on average, under the load of the run."
    ),
]
MaxLoaded = Annotated[
    float | None, typer.Option(min=0, help="The most memory of all experts that are asked.")
]
DrawnAgainst = Annotated[
    Against | None,
    typer.Option(help="What the frontier is drawn against. Default: price, where it differs."),
]
Parts = Annotated[
    int,
    typer.Option(
        min=2, help="Parts of the questions; each is the report of one search on the others."
    ),
]
Folds = Annotated[int, typer.Option(min=2, help="Folds of the cross-validation that chooses.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of parts and folds.")]
Worth = Annotated[
    float,
    typer.Option(min=0, help="Points: an expert that surely brings less is not worth its memory."),
]
Name = Annotated[str, typer.Option(help="The composition's name in the YAML.")]
Outcomes = Annotated[
    Path | None, typer.Option(help="Also write the outcome table that the router reads.")
]
Vectors = Annotated[
    Path | None,
    typer.Option(help="A file (.npz) that keeps the questions' vectors for the next search."),
]
Plot = Annotated[Path | None, typer.Option(help="Also draw the frontier: .svg or .png.")]


def compose(
    run: Run = None,
    recorded: Recorded = None,
    benchmark: Benchmark = "",
    pool: Pool = "",
    max_price: MaxPrice = None,
    max_calls: MaxCalls = None,
    max_panel: MaxPanel = None,
    max_seconds: MaxSeconds = None,
    max_loaded_gb: MaxLoaded = None,
    against: DrawnAgainst = None,
    parts: Parts = 2,
    folds: Folds = 5,
    seed: Seed = 0,
    worth: Worth = 1.0,
    name: Name = "pool/composed",
    outcomes: Outcomes = None,
    vectors: Vectors = None,
    json_out: own.JsonOut = None,
    plot: Plot = None,
) -> None:
    """Choose a composition by replaying hundreds of them.

    Over the answers of one sweep: routers, votes, panels, thresholds and subsets of experts,
    cross-validated. Prints the frontier on questions that nothing was chosen on, which experts are
    not worth their memory, and the YAML.
    """
    source = (run, recorded, benchmark, pool)
    bounds = (max_price, max_calls, max_panel, max_seconds, max_loaded_gb)
    search = (None if against is None else against.value, parts, folds, seed, worth)
    launch(
        "evals.compose.command:compose",
        None,
        source,
        bounds,
        search,
        (name, outcomes, vectors, json_out, plot),
    )
