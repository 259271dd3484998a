"""`coterie eval routers`: every router on recorded outcomes, beside its controls."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from evals.client.progress import Progress
from evals.reporting.table import make_console, say
from experts.errors import ConfigError
from orchestrator.config.model import load_config

evaluate = typer.Typer(no_args_is_help=True, help="Measure parts of the pool on recorded data.")


@evaluate.callback()
def _group() -> None:
    """Every subcommand is an evaluation; `pool` is registered where its service is started."""


@evaluate.command()
def routers(
    fit: Annotated[
        str, typer.Option(help="Path prefix of the tables to fit on: PREFIX_queries.parquet ...")
    ],
    test: Annotated[
        str | None,
        typer.Option(help="Prefix of the tables to test on; else the same, cross-validated."),
    ] = None,
    pool: Annotated[str, typer.Option(help="Models, with commas; else all.")] = "",
    folds: Annotated[int, typer.Option(min=2, help="Of the cross-validation.")] = 5,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this file.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw quality against price: .svg or .png.")
    ] = None,
) -> None:
    """Fit every router on recorded outcomes and test it on others; exit 1 if one does harm."""
    # Imported late: `coterie --help` must not wait for torch and scikit-learn.
    from evals.benchmarks.routing import experiment, recorded, recorded_report  # noqa: PLC0415
    from routers.features import MiniLMEncoder  # noqa: PLC0415

    names = [name.strip() for name in pool.split(",") if name.strip()]
    if len(names) == 1:
        raise ConfigError("A pool of one model leaves nothing to route.")
    same = test is None or test == fit
    console = make_console()
    with Progress(console) as progress:
        progress.doing("reading the tables")
        fit_on = recorded.read_recorded(fit, names)
        test_on = fit_on if same else recorded.read_recorded(test or fit, fit_on.models)
        if len(fit_on.models) < 2:
            raise ConfigError(f"{fit} knows one model only: there is nothing to route.")
        if same:
            splits = experiment.folds(fit_on, folds)
        else:
            seen = np.flatnonzero(~np.isin(fit_on.groups, test_on.groups))
            if dropped := len(fit_on.queries) - len(seen):
                progress.say(f"{dropped} questions are in both tables: not fitted on")
            splits = [(seen, test_on.complete)]
        experiment.check(splits, test_on)
        encoder = MiniLMEncoder(cache_size=0)
        progress.doing(f"embedding {len(fit_on.queries)} questions")
        vectors = others = encoder.encode([query.text for query in fit_on.queries])
        if not same:
            progress.doing(f"embedding {len(test_on.queries)} questions")
            others = encoder.encode([query.text for query in test_on.queries])
        found = experiment.run(
            fit_on, test_on, splits, (vectors, others), encoder.name, progress.doing
        )
        progress.say(f"{len(experiment.ROUTERS)} routers fitted, {len(splits)} times")
    how = f"{folds}-fold cross-validation, groups kept together" if same else f"tested on {test}"
    title = f"{fit}, {len(fit_on.models)} models; {how}."
    setting: dict[str, Any] = {"fit": fit, "test": test or fit, "pool": list(fit_on.models)}
    if json_out:
        recorded_report.write_lines(json_out, found, setting)
    if plot:
        recorded_report.draw(plot, found)
    code = recorded_report.print_experiment(console, found, title)
    for path in filter(None, (json_out, plot)):
        say(console, f"wrote {path}")
    raise typer.Exit(code)


@evaluate.command()
def votes(
    fit: Annotated[
        str, typer.Option(help="Path prefix of the recorded tables: PREFIX_queries.parquet ...")
    ],
    pool: Annotated[str, typer.Option(help="Models, with commas; else all.")] = "",
    benchmark: Annotated[str, typer.Option(help="Only its questions.")] = "",
    folds: Annotated[int, typer.Option(min=2, help="Of the cross-validation.")] = 5,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this file.")
    ] = None,
) -> None:
    """Let recorded models vote: all, adaptively, weighted by a router; exit 1 on a miss."""
    # Imported late: `coterie --help` must not wait for torch and scikit-learn.
    from evals.benchmarks.routing import experiment, recorded, votes_report  # noqa: PLC0415
    from evals.benchmarks.routing.votes import run  # noqa: PLC0415
    from routers.features import MiniLMEncoder  # noqa: PLC0415

    names = [name.strip() for name in pool.split(",") if name.strip()]
    console = make_console()
    with Progress(console) as progress:
        progress.doing("reading the tables")
        known = recorded.read_recorded(fit, names, benchmark)
        if len(known.models) < 2:
            raise ConfigError("One model has nobody to vote with.")
        splits = experiment.folds(known, folds)
        experiment.check(splits, known)
        encoder = MiniLMEncoder(cache_size=0)
        progress.doing(f"embedding {len(known.queries)} questions")
        vectors = encoder.encode([query.text for query in known.queries])
        found = run(known, splits, vectors, encoder.name, progress.doing)
    what = f"{fit}{f', {benchmark}' if benchmark else ''}, {len(known.models)} models"
    title = f"{what}; {folds}-fold cross-validation, groups kept together."
    code = votes_report.print_votes(console, found, title)
    if json_out:
        setting: dict[str, object] = {"fit": fit, "benchmark": benchmark, "pool": known.models}
        votes_report.write_json(json_out, found, setting)
        say(console, f"wrote {json_out}")
    raise typer.Exit(code)


@evaluate.command()
def latency(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The YAML file that describes the pool.")
    ] = Path("examples/zoo.yaml"),
) -> None:
    """Time every fitted router, alone and in a batch; exit 1 if one misses a target."""
    settings = load_config(config)
    console = make_console()
    with Progress(console) as progress:
        progress.doing("loading the code")
        times = import_module("evals.benchmarks.routing.latency")
        found = times.measure(settings, progress)
    raise typer.Exit(times.print_latencies(console, found))
