"""What `coterie eval` does with routers: recorded outcomes, votes, latency, a running pool."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from evals.benchmarks.routing import conversations as talks
from evals.benchmarks.routing import (
    conversations_report,
    coverage_curves,
    coverage_report,
    experiment,
    latency,
    long_texts,
    panel_curves,
    recorded_report,
    served_report,
    votes_by_category,
    votes_report,
)
from evals.benchmarks.routing import votes as voting
from evals.benchmarks.routing.served import ask_pool
from evals.client.progress import Progress
from evals.compose.answers.embedding import embedded
from evals.reporting.outputs import check_outputs
from evals.reporting.table import Finish, say
from evals.runs import recorded
from experts.errors import ConfigError
from orchestrator.config.model import Config
from routers.features import MiniLMEncoder
from routers.fitted.training_set import Floats


def routers(
    progress: Progress,
    fit: str,
    test: str | None,
    pool: str,
    folds: int,
    vectors_file: Path | None,
    json_out: Path | None,
    plot: Path | None,
) -> Finish:
    """`coterie eval routers`. Raises ConfigError."""
    names = _names(pool)
    if len(names) == 1:
        raise ConfigError("A pool of one model leaves nothing to route.")
    check_outputs(plot, json=json_out, vectors=vectors_file)
    same = test is None or test == fit
    progress.doing("reading the tables")
    fit_on = recorded.read_recorded(fit, names)
    test_on = fit_on if same else recorded.read_recorded(test or fit, fit_on.models)
    if len(fit_on.models) < 2:
        raise ConfigError(f"{fit} knows only one model: there is nothing to route.")
    splits = experiment.folds(fit_on, folds) if same else _split(fit_on, test_on, progress)
    experiment.check(splits, test_on)
    encoder = MiniLMEncoder(cache_size=0)
    vectors = others = _embedded(fit_on, encoder, vectors_file, progress)
    if not same:
        others = _embedded(test_on, encoder, None, progress)
    found = experiment.run(fit_on, test_on, splits, (vectors, others), encoder.name, progress.doing)
    progress.say(f"{len(experiment.ROUTERS)} routers fitted, {len(splits)} times")
    if json_out:
        setting = {"fit": fit, "test": test or fit, "pool": list(fit_on.models)}
        recorded_report.write_lines(json_out, found, setting)
    if plot:
        recorded_report.draw(plot, found)
    how = f"{folds}-fold cross-validation, groups kept together" if same else f"tested on {test}"
    title = f"{fit}, {len(fit_on.models)} models; {how}."
    show = partial(recorded_report.print_experiment, experiment=found, title=title)
    return partial(_finish, show=show, written=(json_out, plot))


def votes(
    progress: Progress,
    fit: str,
    pool: str,
    benchmark: str,
    folds: int,
    by_category: bool,
    vectors_file: Path | None,
    plot: Path | None,
    json_out: Path | None,
) -> Finish:
    """`coterie eval votes`. Raises ConfigError."""
    names = _names(pool)
    check_outputs(plot, json=json_out, vectors=vectors_file)
    # Who is named is known at once; without names, who is in the tables.
    known = None if len(names) == 1 else _read(progress, fit, names, benchmark)
    if known is None or len(known.models) < 2:
        raise ConfigError("One model alone cannot vote: a pool of two or more is needed.")
    splits = experiment.folds(known, folds)
    experiment.check(splits, known)
    encoder = MiniLMEncoder(cache_size=0)
    vectors = _embedded(known, encoder, vectors_file, progress)
    parts = voting.predict(known, splits, vectors, encoder.name, progress.doing)
    found = voting.run(known, parts, progress.doing)
    curves = panel_curves.run(known, parts, vectors, progress.doing)
    tasks = [known.queries[row].task for part in parts for row in part.unseen]
    categories = votes_by_category.by_category(found, curves, tasks) if by_category else []
    if json_out:
        setting: dict[str, object] = {"fit": fit, "benchmark": benchmark, "pool": known.models}
        votes_report.write_json(json_out, found, curves, categories, setting)
    if plot:
        votes_report.draw(plot, curves)
    what = f"{fit}{f', {benchmark}' if benchmark else ''}, {len(known.models)} models"
    title = f"{what}; {folds}-fold cross-validation, groups kept together."
    show = partial(
        votes_report.print_votes, found=found, curves=curves, title=title, categories=categories
    )
    return partial(_finish, show=show, written=(json_out, plot))


def coverage(
    progress: Progress,
    fit: str,
    foreign: str | None,
    pool: str,
    benchmark: str,
    folds: int,
    vectors_file: Path | None,
    plot: Path | None,
    json_out: Path | None,
) -> Finish:
    """`coterie eval coverage`. Raises ConfigError."""
    check_outputs(plot, json=json_out, vectors=vectors_file)
    known = _read(progress, fit, _names(pool), benchmark)
    splits = experiment.folds(known, folds)
    experiment.check(splits, known)
    strangers = recorded.read_recorded(foreign, []) if foreign else None
    encoder = MiniLMEncoder(cache_size=0)
    vectors = _embedded(known, encoder, vectors_file, progress)
    others = np.empty((0, vectors.shape[1]), np.float32)
    if strangers is not None:
        beside = vectors_file and vectors_file.with_stem(f"{vectors_file.stem}-foreign")
        others = _embedded(strangers, encoder, beside, progress)
        others = others[~np.isin(strangers.groups, known.groups)]
    answered = coverage_curves.run(known, splits, vectors, encoder.name, others, progress.doing)
    progress.doing("counting")
    rows = coverage_report.rows_of(answered)
    if json_out:
        setting: dict[str, object] = {"fit": fit, "foreign": foreign, "pool": known.models}
        coverage_report.write_json(json_out, answered, rows, setting)
    if plot:
        coverage_report.draw(plot, answered, rows)
    what = f"{fit}{f', {benchmark}' if benchmark else ''}, {len(known.models)} models"
    mixed = f" and {len(others)} of {foreign}, which count as wrong" if foreign else ""
    title = (
        f"{what}, {len(answered.scores) - len(others)} questions{mixed}; {folds}-fold"
        f" cross-validation of {voting.ROUTER}, groups kept together."
    )
    show = partial(coverage_report.print_coverage, answered=answered, rows=rows, title=title)
    return partial(_finish, show=show, written=(json_out, plot))


def latencies(progress: Progress, settings: Config) -> Finish:
    """`coterie eval latency`. Raises ConfigError."""
    return partial(latency.print_latencies, found=latency.measure(settings, progress))


def conversations(
    progress: Progress, settings: Config, names: tuple[str, ...], json_out: Path | None
) -> Finish:
    """`coterie eval conversations`. Raises ConfigError."""
    check_outputs(json=json_out)
    found = talks.measure(settings, names, progress)
    long = long_texts.measure(settings, names, progress)
    if json_out:
        conversations_report.write_json(json_out, [*found, *long])
    show = partial(conversations_report.print_conversations, found=found, long=long)
    return partial(_finish, show=show, written=(json_out,))


async def pool(
    progress: Progress,
    settings: Config,
    compositions: tuple[str, ...],
    names: tuple[str, ...],
    json_out: Path | None,
) -> Finish:
    """`coterie eval pool`. Raises ConfigError, ServiceError."""
    check_outputs(json=json_out)
    asked = compositions or tuple(settings.compositions)
    found = await ask_pool(progress, settings, asked, names)
    if json_out:
        served_report.write_json(json_out, found)
    return partial(served_report.print_pool, pool=found)


def _read(progress: Progress, fit: str, names: list[str], benchmark: str) -> recorded.Recorded:
    progress.doing("reading the tables")
    return recorded.read_recorded(fit, names, benchmark)


def _names(pool: str) -> list[str]:
    return [name.strip() for name in pool.split(",") if name.strip()]


def _split(
    fit_on: recorded.Recorded, test_on: recorded.Recorded, progress: Progress
) -> Sequence[experiment.Split]:
    """Questions of other groups to fit on, and complete ones to test on."""
    seen = np.flatnonzero(~np.isin(fit_on.groups, test_on.groups))
    if dropped := len(fit_on.queries) - len(seen):
        progress.say(f"{dropped} questions are in both tables and are not fitted on")
    return [(seen, test_on.complete)]


def _embedded(
    of: recorded.Recorded, encoder: MiniLMEncoder, file: Path | None, progress: Progress
) -> Floats:
    return embedded([query.text for query in of.queries], encoder, file, progress.doing)


def _finish(
    console: Console, show: Callable[[Console], int], written: Sequence[Path | None]
) -> int:
    code = show(console)
    for path in filter(None, written):
        say(console, f"wrote {path}")
    return code
