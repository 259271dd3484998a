"""Gives answers again: kept ones, and those of equal requests that are under way."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from orchestrator.config.model import Config
from orchestrator.config.reuse.section import CacheConfig
from orchestrator.request.answer import StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.reuse.kept import (
    KeptAnswer,
    is_clean,
    is_whole,
    kept_answer,
    less_comments,
)
from orchestrator.request.reuse.key import answer_key, is_repeatable
from orchestrator.request.reuse.run import Run
from orchestrator.request.reuse.shelf import Shelf
from orchestrator.request.reuse.versions import Versions
from orchestrator.request.tracing.trace import Outcome, Trace

ANSWERS = "answers"
"""The cache of the store."""
RunKey = tuple[str, str, bool]
"""What is asked, the request's class, and whether nobody waits for it."""


@dataclass(slots=True)
class UnderWay:
    """What outlives a change of the configuration: the cache, and the requests under way."""

    shelf: Shelf
    settings: CacheConfig
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    runs: dict[RunKey, Run] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def count(self, outcome: Outcome) -> None:
        """Note what a request got."""
        self.outcomes[outcome] += 1


class Answers:
    """The answers of one configuration: the pipeline's, less those that are there already."""

    def __init__(
        self, config: Config, pipeline: Pipeline, versions: Versions, under_way: UnderWay
    ) -> None:
        """`versions` are those of the configuration; they must be new whenever answers may be."""
        self.versions = versions
        self._config = config
        self._pipeline = pipeline
        self.under_way = under_way

    async def answer(self, context: RequestContext, trace: Trace) -> StartedAnswer:
        """As the pipeline does; of equal repeatable requests of a key, only the first asks."""
        if not self._may_be_reused(context):
            return await self._pipeline.answer(context, trace)
        key = answer_key(context, self.versions.of(context.model))
        answer = await self._run(context, key).join(context, trace)
        if trace.cache != "miss":
            self._remember(context, trace)
        return answer

    def _may_be_reused(self, context: RequestContext) -> bool:
        """Learning needs each request's own draw among the experts."""
        entry = self._config.compositions.get(context.model)
        learns = entry is not None and entry.learning is not None
        return context.options.cache != "skip" and not learns and is_repeatable(context.request)

    def _run(self, context: RequestContext, key: str) -> Run:
        """The run that gives the answer: one under way, or a new one."""
        held = self.under_way
        run_key = (key, context.request_class, context.patient)
        refresh = context.options.cache == "refresh"
        found = held.runs.get(run_key)
        if found is not None and not found.given_up and not refresh:
            return found
        run = Run(
            context,
            partial(self._look, key, refresh=refresh),
            self._pipeline.answer,
            held.settings.max_entry_bytes,
            held.count,
        )
        if held.settings.coalesce and not refresh:
            held.runs[run_key] = run
        task = run.start(partial(self._keep, key, run))
        held.tasks.add(task)
        task.add_done_callback(partial(self._ended, run_key, run))
        return run

    def _ended(self, run_key: RunKey, run: Run, task: "asyncio.Task[None]") -> None:
        held = self.under_way
        held.tasks.discard(task)
        if held.runs.get(run_key) is run:
            del held.runs[run_key]

    async def _look(self, key: str, *, refresh: bool) -> KeptAnswer | None:
        raw = None if refresh else await self.under_way.shelf.get(key)
        return None if raw is None else kept_answer(raw)

    async def _keep(self, key: str, run: Run) -> None:
        """Keep an answer that another request would get just so."""
        held, request = self.under_way, run.asked.request
        settings = held.settings
        if run.error is not None or run.kept is not None or run.size > settings.max_entry_bytes:
            return
        body = run.body
        if not is_clean(run.work) or not is_whole(request, body):
            return
        body = less_comments(body) if request.stream else body
        kept = KeptAnswer(run.content_type, body, run.source.told(), time.time())
        await held.shelf.put(key, kept.to_bytes(), settings.ttl_s)

    def _remember(self, context: RequestContext, trace: Trace) -> None:
        """A client may score this answer like any other of a composition."""
        expert = trace.expert
        single = trace.source is not None and "panel" not in trace.source.told()
        if context.model in self._config.compositions and single and expert is not None:
            request, key = context.request, context.api_key_name
            self._pipeline.feedback.remember(context.model, request, expert, None, key)
