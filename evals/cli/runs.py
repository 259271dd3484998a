"""`coterie eval run`: every subject answers every question, and each expert is asked once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from evals.cli.launch import launch
from experts.errors import ConfigError
from orchestrator.cli import options

SAMPLED_TEMPERATURE = 0.7


def run(
    task: Annotated[
        list[str], typer.Argument(help="Tasks: names, YAML files, or folders of tasks.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's folder.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The YAML file that describes the pool. Default: examples/zoo.yaml; with --url,"
            " none: models are asked by their names.",
        ),
    ] = None,
    models: Annotated[
        str,
        typer.Option(
            help="Experts and compositions, separated by commas. Default: all of the configuration."
        ),
    ] = "",
    split: Annotated[
        Literal["probe", "test", "all"], typer.Option(help="Which questions.")
    ] = "test",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Questions of each task, evenly from its categories."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of questions, and of samples.")] = 0,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each question.")] = 1,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0, max=2, help=f"Default: 0, and {SAMPLED_TEMPERATURE} for several samples."
        ),
    ] = None,
    in_flight: Annotated[int, typer.Option(min=1, help="Most calls under way.")] = 64,
    retries: Annotated[
        int,
        typer.Option(
            min=0, help="New tries of a call whose connection breaks or that finds no room."
        ),
    ] = 4,
    backoff: Annotated[
        float,
        typer.Option(min=0, help="Seconds before the first new try; doubled each time, to 30."),
    ] = 0.5,
    timeout: Annotated[
        float,
        typer.Option(min=1, help="Seconds that a call may take, its wait for a load included."),
    ] = 3600.0,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="The file of answers that runs share. Default: coterie/answers.sqlite in"
            " $XDG_CACHE_HOME or ~/.cache."
        ),
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option("--no-cache", help="Share no answers: keep them in the run's folder."),
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="A service that runs already; else one is started.")
    ] = None,
    api_key: options.ApiKey = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell calls, loads, tokens, time and price.")
    ] = False,
) -> None:
    """Ask experts and compositions the questions of tasks.

    Every distinct call is made once, grouped by expert. A run that was killed goes on with the same
    command. The exit code is 1 if a call failed.
    """
    if cache is not None and no_cache:
        raise ConfigError("--cache and --no-cache exclude each other.")
    if samples > 1 and temperature == 0:
        raise ConfigError("At temperature 0 all --samples are the same: set --temperature.")
    if temperature is None:
        temperature = SAMPLED_TEMPERATURE if samples > 1 else 0.0
    if config is None and url is None:
        config = options.DEFAULT_CONFIG
    keywords = {
        "tasks": tuple(task),
        "models": tuple(name for name in models.split(",") if name),
        "out": out,
        "split": split,
        "limit": limit,
        "sampling": (seed, temperature, samples),
        "in_flight": in_flight,
        "retries": (retries, backoff),
        "timeout_s": timeout,
        "cache": cache,
        "shared": not no_cache,
        "url": url and url.rstrip("/").removesuffix("/v1"),
        "api_key": api_key,
    }
    launch("evals.runs.run:command", None, config, keywords, dry_run)


def bench_eval(
    config: options.Config = options.DEFAULT_CONFIG,
    models: Annotated[
        str, typer.Option(help="The subjects, separated by commas.")
    ] = "pool/auto,pool/vote,duo,generalist",
    questions: Annotated[
        int, typer.Option(min=1, help="Questions of our tasks, as many of each.")
    ] = 2000,
    in_flight: Annotated[int, typer.Option(min=1, help="Most calls under way.")] = 64,
) -> None:
    """Measure what an evaluation costs beside its calls.

    Compares it with the bare engines that do the same calls; the exit code is 1 if a target is
    missed.
    """
    names = tuple(name for name in models.split(",") if name)
    target = "evals.benchmarks.evaluation.sweep:sweep"
    launch(target, None, config, names, questions, in_flight)
