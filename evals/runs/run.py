"""`coterie eval run`: one sweep in which every subject answers every question."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
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
    subjects = await asyncio.to_thread(_subjects, settings, options)
    versions = _versions(settings, options, subjects)
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


def _subjects(settings: Config | None, options: RunOptions) -> list[Subject]:
    if settings is not None:
        return pool_subjects(settings, options.models)
    assert options.url is not None, "the command line sees to that"
    return named_subjects(options.models, _experts_at(options.url, options.api_key))


def _experts_at(url: str, api_key: str | None) -> list[str] | None:
    """The experts of a service of ours; None of any other server."""
    try:
        found = fetch(url, api_key).get("queued")
    except ServiceError:
        return None
    return list(found) if isinstance(found, dict) else None


def _versions(
    settings: Config | None, options: RunOptions, subjects: Sequence[Subject]
) -> Mapping[str, str]:
    if settings is not None:
        return answer_versions(settings.experts)
    return {one.name: f"{one.name} at {options.url}" for one in subjects}


async def _made(sweep: Sweep, info: RunInfo, progress: Progress) -> tuple[RunInfo, list[Row]]:
    """The run's head at its end, and its rows; what they were made of stays in the cache."""
    if info.totals is not None:
        progress.say("some calls failed in this run: these are made again")
    cache = AnswerCache(sweep.options.cache_path(sweep.settings is None))
    try:
        return await swept(sweep, info, cache, progress)
    finally:
        cache.close()
