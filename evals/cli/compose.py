"""`coterie compose`: from the answers of one sweep, the best composition within bounds."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch


class Against(StrEnum):
    """What a frontier is drawn against."""

    price = "price"
    calls = "calls"
    seconds = "seconds"
    memory = "memory"


def compose(
    run: Annotated[
        Path | None,
        typer.Argument(help="The folder of a `coterie eval run` whose subjects are experts."),
    ] = None,
    recorded: Annotated[
        str | None,
        typer.Option(
            help="Instead of a run: path prefix of recorded tables, PREFIX_queries.parquet"
            " and so on."
        ),
    ] = None,
    benchmark: Annotated[
        str, typer.Option(help="Only the recorded questions of this benchmark.")
    ] = "",
    pool: Annotated[
        str, typer.Option(help="Only these experts, separated by commas. Default: all.")
    ] = "",
    max_price: Annotated[
        float | None, typer.Option(min=0, help="The highest mean price of a question.")
    ] = None,
    max_calls: Annotated[
        float | None, typer.Option(min=1, help="The most calls of a question, on average.")
    ] = None,
    max_panel: Annotated[
        int | None, typer.Option(min=1, help="The most calls of any question.")
    ] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(min=0, help="The most seconds of a question, on average, without waiting."),
    ] = None,
    max_loaded_gb: Annotated[
        float | None, typer.Option(min=0, help="The most memory of all experts that are asked.")
    ] = None,
    against: Annotated[
        Against | None,
        typer.Option(help="What the frontier is drawn against. Default: price, where it differs."),
    ] = None,
    parts: Annotated[
        int,
        typer.Option(
            min=2, help="Parts of the questions; each is the report of one search on the others."
        ),
    ] = 2,
    folds: Annotated[
        int, typer.Option(min=2, help="Folds of the cross-validation that chooses.")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of parts, folds and bootstrap.")] = 0,
    worth: Annotated[
        float,
        typer.Option(
            min=0, help="Points: an expert that surely brings less is not worth its memory."
        ),
    ] = 1.0,
    name: Annotated[
        str, typer.Option(help="The composition's name in the YAML.")
    ] = "pool/composed",
    outcomes: Annotated[
        Path | None, typer.Option(help="Also write the outcome table that the router reads.")
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(help="A file (.npz) that keeps the questions' vectors for the next search."),
    ] = None,
    json_out: own.JsonOut = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the frontier: .svg or .png.")] = None,
) -> None:
    """Replay hundreds of compositions on answers that are there, and choose one.

    Routers, votes, panels, thresholds and subsets of experts, cross-validated. Prints the frontier
    on questions that nothing was chosen on, which experts are not worth their memory, and the YAML.
    """
    source = (run, recorded, benchmark, pool)
    bounds = (max_price, max_calls, max_panel, max_latency, max_loaded_gb)
    search = (None if against is None else against.value, parts, folds, seed, worth)
    launch(
        "evals.compose.command:compose",
        None,
        source,
        bounds,
        search,
        (name, outcomes, vectors, json_out, plot),
    )
