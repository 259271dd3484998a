"""`coterie eval`: routers, votes, panels and the pool, measured."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli import options
from orchestrator.cli.empty_values import PREFIX

evaluate = typer.Typer(no_args_is_help=True, help="Measure routers, panels and the pool.")
Recorded = Annotated[
    str,
    typer.Option(
        metavar=PREFIX,
        help="Path prefix of the recorded tables: PREFIX_queries.parquet and so on.",
    ),
]
Pool = Annotated[str, typer.Option(help="Models, separated by commas. Default: all.")]
Benchmark = Annotated[str, typer.Option(help="Only the questions of this benchmark.")]
Folds = Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")]
Vectors = Annotated[
    Path | None,
    typer.Option(help="A file (.npz) that keeps the questions' vectors for the next time."),
]


@evaluate.command()
def routers(
    fit: Recorded,
    test: Annotated[
        str | None,
        typer.Option(
            metavar=PREFIX, help="Prefix of the tables to test on. Default: cross-validation."
        ),
    ] = None,
    pool: Pool = "",
    folds: Folds = 5,
    vectors: Vectors = None,
    json_out: own.JsonOut = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw quality against price: .svg or .png.")
    ] = None,
) -> None:
    """Fit routers on recorded outcomes, and test them.

    The exit code is 1 if a router is worse than the best single model.
    """
    arguments = (fit, test, pool, folds, vectors, json_out, plot)
    launch("evals.benchmarks.routing.command:routers", None, *arguments)


@evaluate.command()
def votes(
    fit: Recorded,
    pool: Pool = "",
    benchmark: Benchmark = "",
    folds: Folds = 5,
    by_category: Annotated[
        bool, typer.Option("--by-category", help="Also print what votes bring in each category.")
    ] = False,
    vectors: Vectors = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the votes of panels of two to seven to this file.")
    ] = None,
    json_out: own.JsonOut = None,
) -> None:
    """Let recorded models vote, all of them and in panels.

    The exit code is 1 if a target is missed.
    """
    arguments = (fit, pool, benchmark, folds, by_category, vectors, plot, json_out)
    launch("evals.benchmarks.routing.command:votes", None, *arguments)


@evaluate.command()
def coverage(
    fit: Recorded,
    foreign: Annotated[
        str | None,
        typer.Option(
            metavar=PREFIX,
            help="Prefix of other tables whose questions no expert should answer; their vectors are"
            " kept beside those of --vectors, in a file that ends in -foreign.",
        ),
    ] = None,
    pool: Pool = "",
    benchmark: Benchmark = "",
    folds: Folds = 5,
    vectors: Vectors = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw right answers against questions answered.")
    ] = None,
    json_out: own.JsonOut = None,
) -> None:
    """Let a router abstain where it is least sure.

    Shows how right the rest is, by the coverage guard's distance and by predicted quality.
    """
    arguments = (fit, foreign, pool, benchmark, folds, vectors, plot, json_out)
    launch("evals.benchmarks.routing.command:coverage", None, *arguments)


@evaluate.command()
def latency(config: options.Config = options.DEFAULT_CONFIG) -> None:
    """Time every fitted router, alone and in batches.

    The exit code is 1 if a router misses a target.
    """
    launch("evals.benchmarks.routing.command:latencies", config)


@evaluate.command()
def conversations(
    config: options.Config = options.DEFAULT_CONFIG,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    json_out: own.JsonOut = None,
) -> None:
    """Route follow-ups, new subjects and long texts.

    Compares rules of what a router reads; the exit code is 1 if a target is missed.
    """
    arguments = (own.wanted(task, data_root), json_out)
    launch("evals.benchmarks.routing.command:conversations", config, *arguments)


@evaluate.command()
def pool(
    config: options.Config = options.DEFAULT_CONFIG,
    composition: own.Compositions = None,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    json_out: own.JsonOut = None,
) -> None:
    """Ask compositions and experts the test questions.

    The exit code is 1 if a composition misses a target.
    """
    arguments = (tuple(composition or ()), own.wanted(task, data_root), json_out)
    launch("evals.benchmarks.routing.command:pool", config, *arguments)


@evaluate.command()
def panels(
    config: options.Config = options.DEFAULT_CONFIG,
    composition: own.Compositions = None,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
    beside: Annotated[
        str | None,
        typer.Option(help="An expert, or a panel, that the others should reach for less."),
    ] = None,
    at_most: Annotated[
        float, typer.Option(min=0, max=1, help="The share of its price that they may cost.")
    ] = 0.5,
    gain: Annotated[
        float | None,
        typer.Option(help="How many points better than the best expert panels should be."),
    ] = None,
    json_out: own.JsonOut = None,
) -> None:
    """Compare panels with the best expert of every skill.

    Shows accuracy, calls, tokens and price, beside what a vote brings for no more tokens; the exit
    code is 1 if a target is missed.
    """
    share = None if gain is None else gain / 100
    targets = {"beside": beside, "at_most": at_most, "gain": share}
    arguments = (tuple(composition or ()), own.wanted(task, data_root), targets, json_out)
    launch("evals.benchmarks.panels.command:panels", config, *arguments)


@evaluate.command()
def debates(
    config: options.Config = options.DEFAULT_CONFIG,
    judge: Annotated[
        str | None,
        typer.Option(help="The expert that judges. Default: that of the file's `judged_debate`."),
    ] = None,
    passages: Annotated[int, typer.Option(min=1, help="Passages that are debated.")] = 200,
    seed: Annotated[int, typer.Option(help="Draws the passages.")] = 0,
    in_flight: Annotated[int, typer.Option(min=1, help="Debates at a time.")] = 32,
    json_out: own.JsonOut = None,
) -> None:
    """Let an expert judge debates of scripted sides.

    It cannot see the passages that they quote; shown beside one side, none, and quotes that nobody
    checks. The exit code is 1 if the judge is not more often right with more to hear.
    """
    arguments = (judge, passages, seed, in_flight, json_out)
    launch("evals.benchmarks.panels.debates:debates", config, *arguments)
