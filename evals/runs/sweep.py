"""The two stages of a run, beside the service: every subject answers, and answers are scored."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from evals.client.progress import Progress
from evals.runs.asking.asker import Asker
from evals.runs.asking.cache import AnswerCache
from evals.runs.asking.line import Line
from evals.runs.asking.service import RunClock, RunService
from evals.runs.asking.wire import Reply
from evals.runs.forecast import asked_with_logprobs
from evals.runs.judging import graded, to_grade
from evals.runs.questions import Asked
from evals.runs.record import Row, RunInfo, Tokens, Totals
from evals.runs.scoring import scored
from evals.runs.settings import RunOptions
from evals.runs.subjects.given import together
from evals.runs.subjects.pool import Subject
from experts.types import Request
from orchestrator.config.model import Config
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


async def swept(
    sweep: Sweep, info: RunInfo, cache: AnswerCache, progress: Progress
) -> tuple[RunInfo, list[Row]]:
    """The rows, one subject after the other, and the run's head with what they have cost.

    Raises ConfigError, ServiceError; what was answered until then is in the cache.
    """
    options = sweep.options
    clock = RunClock(cache.clock_s(info.created))
    service = RunService(
        sweep.settings,
        options.url,
        progress,
        clock,
        partial(cache.add_load, info.created),
        api_key=options.api_key,
        timeout_s=options.timeout_s,
    )
    for subject in sweep.subjects:
        await subject.prepare(sweep.rows, progress)
    line = sweep.line()
    fuller = await asked_with_logprobs(sweep.subjects, sweep.rows, sweep.versions, progress)

    async def post(expert: str, request: Request) -> Reply:
        sweep.on_call(expert, request)
        reply = await service(expert, request)
        shown.tell()
        return reply

    asker = Asker(post, cache, line, sweep.versions, info.created, clock, options.retries, fuller)
    shown = _Shown(progress, len(sweep.subjects) * len(sweep.rows), asker, line, service)
    async with service:
        try:
            parts = [one.answers(sweep.rows, asker, progress, shown.done) for one in sweep.subjects]
            given = list(chain(*await together(parts)))
            wanted = to_grade(given)
            if wanted:
                progress.doing(f"grading {len(wanted)} answers")
            judged = await graded(wanted, asker)
            memory_gb, seconds = await service.memory_gb(), clock()
            progress.doing(f"scoring {len(given)} answers")
            rows = await asyncio.to_thread(scored, given, sweep.prices, judged)
        finally:
            await asker.close()
    totals = _totals(sweep, info, cache, rows, len(asker.counts.cached), seconds, len(judged))
    experts = {
        name: one.model_copy(
            update={"memory_gb": memory_gb.get(_engine(sweep, name)) or one.memory_gb}
        )
        for name, one in info.experts.items()
    }
    return info.model_copy(update={"totals": totals, "experts": experts}), rows


def _engine(sweep: Sweep, expert: str) -> str:
    assert sweep.settings is not None
    spec = sweep.settings.hosted().get(expert)
    return expert if spec is None else spec.base or expert


class _Shown:
    """How far a run is, for whoever watches."""

    def __init__(
        self,
        progress: Progress,
        total: int,
        asker: Asker,
        line: Line,
        service: RunService,
    ) -> None:
        self._progress = progress
        self._total = total
        self._asker = asker
        self._line = line
        self._service = service
        self._began_s = progress.seconds
        self._done = 0

    def done(self) -> None:
        """One more answer is there."""
        self._done += 1
        self.tell()

    def tell(self) -> None:
        """Say what is known: how far the calls are that are known by now, and how many answers."""
        calls = self._asker.counts.answered.total()
        rate = calls / max(1e-9, self._progress.seconds - self._began_s)
        parts = [f"{self._done} of {self._total} answers", f"{calls} calls, {rate:.0f} a second"]
        if self._line.turns:
            parts.append(f"{self._service.loads} loads, now {', '.join(self._line.turns)}")
        self._progress.doing("; ".join(parts), calls, calls + self._line.open)


def _totals(
    sweep: Sweep,
    info: RunInfo,
    cache: AnswerCache,
    rows: Sequence[Row],
    cached: int,
    seconds: float,
    graded: int,
) -> Totals:
    by_expert = cache.asked(info.created)
    prices = sweep.prices
    read = sum(one.tokens.prompt for one in by_expert.values())
    new = sum(one.tokens.completion for one in by_expert.values())
    return Totals(
        seconds=round(seconds, 3),
        calls=sum(sum(row.calls.values()) for row in rows),
        graded=graded,
        asked=sum(one.calls for one in by_expert.values()),
        cached=cached,
        tokens=Tokens(prompt=read, completion=new),
        price_usd=sum(
            (one.tokens.prompt + one.tokens.completion) * prices.get(name, 0.0) / 1e6
            for name, one in by_expert.items()
        ),
        loads=cache.loads(info.created),
    )
