"""`coterie eval run`: one sweep in which every subject answers every question."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from evals.client.progress import Progress
from evals.reporting.table import Finish
from evals.runs.asking.asker import Asker, Retries
from evals.runs.asking.cache import AnswerCache
from evals.runs.asking.keys import answer_versions
from evals.runs.asking.line import Line
from evals.runs.asking.service import RunClock, RunService
from evals.runs.asking.wire import Reply
from evals.runs.dry_run import dry_run
from evals.runs.folder import RunFolder
from evals.runs.forecast import asked_with_logprobs
from evals.runs.questions import Asked, Sampling, asked, chosen
from evals.runs.record import LoadEvent, Row, RunInfo, Tokens, Totals
from evals.runs.scoring import failed, scored
from evals.runs.settings import RunOptions, head_of
from evals.runs.subjects.given import Given, together
from evals.runs.subjects.pool import Subject, named_subjects, pool_subjects
from evals.runs.table import print_run
from evals.tasks.task import find_tasks
from experts.errors import ConfigError, ServiceError
from experts.types import Request
from orchestrator.cli.ps import fetch
from orchestrator.config.model import Config, load_config
from orchestrator.request.plan import prices_of


@dataclass(frozen=True, slots=True)
class Sweep:
    """All that is asked in a run."""

    settings: Config | None
    options: RunOptions
    subjects: Sequence[Subject]
    rows: Sequence[Asked]
    versions: Mapping[str, str]
    on_call: Callable[[str, Request], None]

    @property
    def prices(self) -> Mapping[str, float]:
        """Expert -> USD of a million tokens, where that is known."""
        return {} if self.settings is None else prices_of(self.settings)

    def line(self) -> Line:
        """The order of its calls."""
        settings, in_flight = self.settings, self.options.in_flight
        if settings is None:
            return Line({}, 1, in_flight)
        engines = {name: spec.base or name for name, spec in settings.hosted().items()}
        return Line(engines, settings.slots.count, in_flight)


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
    """The answers, scored, and the run's head with what they have cost."""
    options = sweep.options
    cache = AnswerCache(options.cache_path(sweep.settings is None))
    try:
        if info.totals is not None:
            progress.say("some calls failed in this run: these are made again")
        clock = RunClock(cache.clock_s(info.created))
        keep_load: Callable[[LoadEvent], None] = partial(cache.add_load, info.created)
        service = RunService(
            sweep.settings,
            options.url,
            progress,
            clock,
            keep_load,
            api_key=options.api_key,
            timeout_s=options.timeout_s,
        )
        for subject in sweep.subjects:
            await subject.prepare(sweep.rows, progress)
        async with service:
            given, cached = await _answers(sweep, info, cache, service, clock, progress)
            memory_gb = await service.memory_gb()
            seconds = clock()
            # Here the service still runs: a scorer that asks experts can do so.
            progress.doing(f"scoring {len(given)} answers")
            made = await asyncio.to_thread(scored, given, sweep.prices)
        totals = _totals(sweep, info, cache, made, cached, seconds)
    finally:
        cache.close()
    experts = {
        name: one.model_copy(
            update={"memory_gb": memory_gb.get(_engine(sweep, name)) or one.memory_gb}
        )
        for name, one in info.experts.items()
    }
    return info.model_copy(update={"totals": totals, "experts": experts}), made


def _engine(sweep: Sweep, expert: str) -> str:
    assert sweep.settings is not None
    spec = sweep.settings.hosted().get(expert)
    return expert if spec is None else spec.base or expert


async def _answers(
    sweep: Sweep,
    info: RunInfo,
    cache: AnswerCache,
    service: RunService,
    clock: RunClock,
    progress: Progress,
) -> tuple[list[Given], int]:
    """Every subject's answers, one subject after the other; and how many other runs had got."""
    line = sweep.line()
    fuller = await asked_with_logprobs(sweep.subjects, sweep.rows, sweep.versions, progress)

    async def post(expert: str, request: Request) -> Reply:
        sweep.on_call(expert, request)
        reply = await service(expert, request)
        shown.tell()
        return reply

    asker = Asker(
        post, cache, line, sweep.versions, info.created, clock, sweep.options.retries, fuller
    )
    total = len(sweep.subjects) * len(sweep.rows)
    shown = _Shown(progress, total, asker, line, lambda: len(cache.loads(info.created)))
    try:
        found = await together(
            [one.answers(sweep.rows, asker, progress, shown.done) for one in sweep.subjects]
        )
    finally:
        await asker.close()
    return list(chain(*found)), len(asker.counts.cached)


class _Shown:
    """How far a run is, for whoever watches."""

    def __init__(
        self,
        progress: Progress,
        total: int,
        asker: Asker,
        line: Line,
        loads: Callable[[], int],
    ) -> None:
        self._progress = progress
        self._total = total
        self._asker = asker
        self._line = line
        self._loads = loads
        self._began_s = progress.seconds
        self._done = 0

    def done(self) -> None:
        """One more answer is there."""
        self._done += 1
        self.tell()

    def tell(self) -> None:
        """Say what is known."""
        calls = self._asker.counts.answered.total()
        rate = calls / max(1e-9, self._progress.seconds - self._began_s)
        parts = [f"{self._done} of {self._total} answers", f"{calls} calls, {rate:.0f} a second"]
        if self._line.turns:
            parts.append(f"{self._loads()} loads, now {', '.join(self._line.turns)}")
        self._progress.doing("; ".join(parts), self._done, self._total)


def _totals(
    sweep: Sweep,
    info: RunInfo,
    cache: AnswerCache,
    rows: Sequence[Row],
    cached: int,
    seconds: float,
) -> Totals:
    by_expert = cache.asked(info.created)
    prices = sweep.prices
    read = sum(one.tokens.prompt for one in by_expert.values())
    new = sum(one.tokens.completion for one in by_expert.values())
    return Totals(
        seconds=round(seconds, 3),
        calls=sum(sum(row.calls.values()) for row in rows),
        asked=sum(one.calls for one in by_expert.values()),
        cached=cached,
        tokens=Tokens(prompt=read, completion=new),
        price_usd=sum(
            (one.tokens.prompt + one.tokens.completion) * prices.get(name, 0.0) / 1e6
            for name, one in by_expert.items()
        ),
        loads=cache.loads(info.created),
    )
