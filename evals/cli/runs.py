"""`coterie eval run`: every subject answers every question, and each expert is asked once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from experts.errors import ConfigError
from orchestrator.cli import options

SAMPLED_TEMPERATURE = 0.7
Tasks = Annotated[
    list[str],
    typer.Argument(metavar="TASKS", help="Names, YAML files, or folders of tasks."),
]
Pool = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The YAML file that describes the pool. Default: examples/zoo.yaml; with --url, none:"
        " models are asked by their names.",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The run's folder.")]
Models = Annotated[
    str,
    typer.Option(
        help="Experts and compositions, separated by commas. Default: all of the configuration."
    ),
]
Split = Annotated[Literal["probe", "test", "all"], typer.Option(help="Which questions.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Questions of each task, evenly from its categories.")
]
Seed = Annotated[int, typer.Option(help="Of the choice of questions, and of samples.")]
Samples = Annotated[int, typer.Option(min=1, help="Answers to each question.")]
Temperature = Annotated[
    float | None,
    typer.Option(
        min=0, max=2, help=f"Default: the task's own; for several samples {SAMPLED_TEMPERATURE}."
    ),
]
InFlight = Annotated[int, typer.Option(min=1, help="Most calls under way.")]
Retries = Annotated[
    int,
    typer.Option(min=0, help="New tries of a call whose connection breaks or that finds no room."),
]
Backoff = Annotated[
    float,
    typer.Option(min=0, help="Seconds before the first new try; doubled each time, up to 30."),
]
Timeout = Annotated[
    float, typer.Option(min=1, help="Seconds that a call may take, its wait for a load included.")
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="The file of answers that runs share. Default: coterie/answers.sqlite in"
        " $XDG_CACHE_HOME or ~/.cache."
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Share no answers: keep them in the run's folder.")
]
Url = Annotated[
    str | None, typer.Option(help="A service that runs already; without it, one is started.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only tell calls, loads, tokens, time and price.")
]


def run(
    task: Tasks,
    out: Out,
    config: Pool = None,
    data_root: own.DataRoot = None,
    models: Models = "",
    split: Split = "test",
    limit: Limit = None,
    seed: Seed = 0,
    samples: Samples = 1,
    temperature: Temperature = None,
    in_flight: InFlight = 64,
    retries: Retries = 4,
    backoff: Backoff = 0.5,
    timeout: Timeout = 3600.0,
    cache: Cache = None,
    no_cache: NoCache = False,
    url: Url = None,
    api_key: options.ApiKey = None,
    dry_run: DryRun = False,
) -> None:
    """Ask experts and compositions the questions of tasks.

    Every distinct call is made once, grouped by expert. A run that was killed goes on with the same
    command. The exit code is 1 if a call failed.
    """
    if cache is not None and no_cache:
        raise ConfigError("--cache and --no-cache exclude each other.")
    if samples > 1 and temperature == 0:
        raise ConfigError("At temperature 0 all --samples are the same: set --temperature.")
    if temperature is None and samples > 1:
        temperature = SAMPLED_TEMPERATURE
    if config is None and url is None:
        config = options.DEFAULT_CONFIG
    keywords = {
        "tasks": own.wanted(task, data_root),
        "models": _names(models),
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
    launch("evals.report.command:run", None, config, keywords, dry_run)


def bench_eval(
    config: options.Config = options.DEFAULT_CONFIG,
    models: Annotated[
        str, typer.Option(help="The subjects, separated by commas.")
    ] = "pool/auto,pool/vote,duo,generalist",
    questions: Annotated[
        int, typer.Option(min=1, help="Questions of our tasks, as many of each.")
    ] = 2000,
    in_flight: InFlight = 64,
) -> None:
    """Measure what an evaluation costs beside its calls.

    Compares it with the bare engines that do the same calls; the exit code is 1 if a target is
    missed.
    """
    target = "evals.benchmarks.evaluation.sweep:sweep"
    launch(target, None, config, _names(models), questions, in_flight)


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name for name in listed.split(",") if name)
