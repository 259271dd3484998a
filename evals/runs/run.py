"""`coterie eval run`: one sweep in which every subject answers every question."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evals.client.progress import Progress
from evals.reporting.table import Finish
from evals.runs.asking.asker import Retries
from evals.runs.asking.cache import AnswerCache
from evals.runs.asking.keys import answer_versions
from evals.runs.dry_run import dry_run
from evals.runs.folder import RunFolder
from evals.runs.questions import Sampling, asked, chosen
from evals.runs.record import Row, RunInfo
from evals.runs.scoring import failed
from evals.runs.settings import RunOptions, head_of
from evals.runs.subjects.pool import Subject, named_subjects, pool_subjects
from evals.runs.sweep import Sweep, swept
from evals.runs.table import print_run
from evals.tasks.judged import check_judges, judges_of
from evals.tasks.task import find_tasks
from experts.errors import ConfigError, ServiceError
from experts.types import Request
from orchestrator.cli.ps import fetch
from orchestrator.config.model import Config, load_config


async def command(
    progress: Progress, config: Path | None, told: Mapping[str, Any], dry: bool
) -> Finish:
    """Run what the command line told. Raises ConfigError, ServiceError."""
    parts = {"sampling": Sampling(*told["sampling"]), "retries": Retries(*told["retries"])}
    return await run(progress, config, RunOptions(**{**told, **parts}), dry)


def _nobody(expert: str, request: Request) -> None:
    """Nobody wants to know what is sent."""


async def run(
    progress: Progress,
    config: Path | None,
    options: RunOptions,
    dry: bool = False,
    on_call: Callable[[str, Request], None] = _nobody,
) -> Finish:
    """Ask, score and write the run; with `dry` only tell what it would take.

    `on_call` hears of every call that is sent. Goes on with a run that was killed. Raises
    ConfigError, ServiceError.
    """
    settings = None if config is None else load_config(config)
    tasks = chosen(find_tasks(options.tasks), options.split, options.limit, options.sampling.seed)
    rows = asked(tasks, options.sampling)
    experts = await asyncio.to_thread(_experts, settings, options)
    if experts is not None:
        check_judges(tasks, experts)
    subjects = await asyncio.to_thread(_subjects, settings, options, experts)
    named = {*(one.name for one in subjects), *judges_of(tasks).values()}
    versions = _versions(settings, options, named)
    sweep = Sweep(settings, options, subjects, rows, versions, on_call)
    if dry:
        if settings is None:
            raise ConfigError("--dry-run needs a configuration: name one with --config.")
        for subject in subjects:
            await subject.prepare(rows, progress)
        return await dry_run(settings, options, subjects, rows, versions, progress)
    folder = RunFolder(options.out)
    with folder.held():
        info = folder.begin(head_of(options, settings, subjects, tasks, versions))
        if info.totals is not None and not failed(known := folder.rows()):
            progress.say(f"{options.out} holds this run already, and it is complete")
            return partial(print_run, folder=options.out, info=info, rows=known)
        info, made = await _made(sweep, info, progress)
        folder.finish(info, made)
    return partial(print_run, folder=options.out, info=info, rows=made)


def _subjects(
    settings: Config | None, options: RunOptions, experts: Sequence[str] | None
) -> list[Subject]:
    if settings is not None:
        return pool_subjects(settings, options.models)
    return named_subjects(options.models, experts)


def _experts(settings: Config | None, options: RunOptions) -> list[str] | None:
    """The pool's experts; of a server that is none of ours, None."""
    if settings is not None:
        return list(settings.answering)
    assert options.url is not None, "the command line sees to that"
    try:
        found = fetch(options.url, options.api_key).get("queued")
    except ServiceError:
        return None
    return list(found) if isinstance(found, dict) else None


def _versions(
    settings: Config | None, options: RunOptions, names: Collection[str]
) -> Mapping[str, str]:
    if settings is not None:
        return answer_versions(settings.answering)
    return {name: f"{name} at {options.url}" for name in sorted(names)}


async def _made(sweep: Sweep, info: RunInfo, progress: Progress) -> tuple[RunInfo, list[Row]]:
    """The run's head at its end, and its rows; what they were made of stays in the cache."""
    if info.totals is not None:
        progress.say("some calls failed in this run: these are made again")
    cache = AnswerCache(sweep.options.cache_path(sweep.settings is None))
    try:
        return await swept(sweep, info, cache, progress)
    finally:
        cache.close()
