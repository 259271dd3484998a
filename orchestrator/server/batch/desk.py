"""Reads, routes and answers the lines of batches as the endpoints do, without HTTP between."""

import asyncio
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from experts.errors import CoterieError, InternalError, RequestError
from experts.types import EMBEDDINGS, Operation
from orchestrator.batch.desk import Answered, Prediction
from orchestrator.batch.feeding import Room
from orchestrator.batch.line import Line
from orchestrator.config.model import BATCH_CLASS, Config
from orchestrator.keys.charge import Charge
from orchestrator.keys.ring import KeyRing
from orchestrator.request.context import RequestContext
from orchestrator.request.decider import Foreseen
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.reuse.answers import Answers
from orchestrator.request.tracing.current import CURRENT, Current
from orchestrator.request.tracing.identity import with_span
from orchestrator.request.tracing.presentation import extension
from orchestrator.request.tracing.sinks import TraceSink
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.forecast import Entry, forecast, is_measured, work_of
from orchestrator.residency.pool import ExpertPool
from orchestrator.server.bodies.embeddings import check_inputs
from orchestrator.server.classes import check_class
from orchestrator.server.errors import body_of, headers_of, status_of
from orchestrator.server.keys.access import require_model
from orchestrator.server.keys.admission import LineCharges
from orchestrator.server.schemas import parse_inner

LOGGER = logging.getLogger("coterie.server")
OPERATIONS: Mapping[str, Operation] = {
    "/v1/chat/completions": "chat/completions",
    "/v1/completions": "completions",
    "/v1/embeddings": EMBEDDINGS,
}
PASSING = frozenset({429, 502, 503, 504})
"""A request that failed so may succeed later."""


class BatchDesk:
    """The `Desk` of this gateway."""

    def __init__(
        self,
        config: Config,
        pool: ExpertPool,
        pipeline: Pipeline,
        sinks: Sequence[TraceSink],
        keys: KeyRing,
        sample: float | None = None,
        answers: Answers | None = None,
    ) -> None:
        """`sinks` get the traces of lines, as they get those of requests.

        `answers` gives answers again, where there is a cache: equal lines are asked once.
        `sample` is the share of the lines that get spans; None where there are none.
        """
        self._sample = sample
        self._keys = keys
        self._sinks = sinks
        self.adopt(config, pool, pipeline, answers)

    def adopt(
        self, config: Config, pool: ExpertPool, pipeline: Pipeline, answers: Answers | None
    ) -> None:
        """Answer with these from the next line on; those under way end as they began."""
        self._config, self._pool, self._pipeline = config, pool, pipeline
        self._answers: Answers | Pipeline = answers or pipeline
        self._charges = LineCharges(config, self._keys)

    def read(self, line: Line, endpoint: str, request_id: str, owner: str | None) -> RequestContext:
        """Raises RequestError."""
        config, operation = self._config, OPERATIONS[endpoint]
        request, model, extension = parse_inner(line.body, operation, request_id)
        if operation == EMBEDDINGS:
            check_inputs(request.body.get("input"), config.server.max_embedding_inputs)
        if self._keys.is_revoked(owner):
            raise RequestError(f"The API key `{owner}` of this batch was revoked.")
        require_model(self._keys.named(owner), self._pipeline, model, extension.options)
        if extension.request_class is not None:
            check_class(config, extension.request_class)
        asked = extension.request_class or BATCH_CLASS
        options = extension.options
        own_s = math.inf if options.timeout_s is None else options.timeout_s
        return RequestContext(request, model, asked, options, owner, patient=True, timeout_s=own_s)

    def refused(self, error: RequestError, request_id: str) -> Answered:
        """As the endpoint says it."""
        return Answered(status_of(error), request_id, body_of(error))

    async def foresee(self, contexts: Sequence[RequestContext]) -> Sequence[Foreseen | Answered]:
        """Routes them together: the routers' queues put them into batches."""
        found = await asyncio.gather(
            *(self._pipeline.foresee(one) for one in contexts), return_exceptions=True
        )
        return [
            self._failed(one, self._ours(one, result))
            if isinstance(result, Exception)
            else _less_evidence(one, result)
            for one, result in zip(contexts, found, strict=True)
            if not isinstance(result, BaseException) or isinstance(result, Exception)
        ]

    async def answer(self, context: RequestContext) -> Answered:
        """The whole answer with our own field in it, or the error as a client would get it."""
        trace = Trace()
        identity = None if self._sample is None else with_span(None, self._sample)
        CURRENT.set(Current(context.id, None if identity is None else identity.trace_id))
        context = replace(context, identity=identity)
        charge: Charge | None = None
        charges = self._charges
        try:
            charge = await charges.begin(context)
            context = replace(context, started=time.perf_counter())
            async with await self._answers.answer(context, trace) as answer:
                raw = answer.first + b"".join([piece async for piece in answer.rest])
            body = json.loads(raw)
            trace.status = 200
        except Exception as error:
            ours = self._ours(context, error)
            trace.error, trace.status = ours.code, status_of(ours)
            return self._failed(context, ours)
        finally:
            trace.total_ms = 1000 * (time.perf_counter() - context.started)
            for sink in self._sinks:
                sink.write(context, trace)
            charges.end(charge, trace)
        body["coterie"] = extension(context, trace)
        # Without one of its members a panel may answer otherwise than it will when that is back.
        again_s = 0.0 if trace.missed else None
        return Answered(200, context.id, body, again_s)

    def engine(self, expert: str) -> str | None:
        """A base expert's engine serves its adapters and aliases."""
        spec = self._config.hosted().get(expert)
        return None if spec is None else spec.base or expert

    def room(self) -> Room:
        """As the pool knows it now."""
        snapshot = self._pool.snapshot()
        sizes = {name: float(entry["memory_gb"]) for name, entry in snapshot["loads"].items()}
        return Room(sizes, [float(slot["room_gb"]) for slot in _wanted(snapshot)])

    def resident(self) -> Mapping[str, str]:
        """As the pool knows them now."""
        return self._pool.resident()

    def follow(self, before: AbstractSet[str], now: AbstractSet[str]) -> None:
        """Engines with more work for a batch are not unloaded for the work of others."""
        if before != now:
            self._pool.follow(before, now)

    def loads(self) -> int:
        """As the pool counts them."""
        return sum(entry["count"] for entry in self._pool.snapshot()["loads"].values())

    def predict(
        self, calls: Mapping[str, int], again: int, resident: Mapping[str, str]
    ) -> Prediction:
        """By what the pool has measured by now."""
        snapshot = self._pool.snapshot()
        by_engine: Counter[str] = Counter()
        for expert, count in calls.items():
            by_engine[self.engine(expert) or ""] += count
        del by_engine[""]  # Of other servers.
        entries = snapshot["loads"]
        in_flight = self._config.batches.in_flight
        works = [
            work_of(name, count, in_flight, entries[name]["memory_gb"], entries[name])
            for name, count in by_engine.items()
        ]
        slots = _wanted(snapshot)
        there = [[name for name in resident if resident[name] == slot["id"]] for slot in slots]
        found = forecast(works, [slot["room_gb"] for slot in slots], there)
        unknown = sorted(expert for expert in calls if not self._is_known(expert, entries))
        each_s = sum(work.load_s for work in works) / max(1, len(works))
        seconds = round(found.total_s + again * each_s, 3)
        return Prediction(found.loads + again, seconds, tuple(unknown))

    def _is_known(self, expert: str, entries: Mapping[str, Entry]) -> bool:
        engine = self.engine(expert)
        return engine is not None and is_measured(entries[engine])

    def _ours(self, context: RequestContext, error: Exception) -> CoterieError:
        if isinstance(error, CoterieError):
            return error
        LOGGER.error("request %s failed", context.id, exc_info=error)
        return InternalError("The server failed to answer; its log says why.")

    def _failed(self, context: RequestContext, error: CoterieError) -> Answered:
        status = status_of(error)
        wait_s = None
        if status in PASSING and not isinstance(error, RequestError):
            wait_s = float(headers_of(error, context.id).get("retry-after", 0.0))
        return Answered(status, context.id, body_of(error), retry_after_s=wait_s)


def _less_evidence(context: RequestContext, found: Foreseen) -> Foreseen:
    """Thousands of decisions are remembered: without what only explanations show."""
    if found.decision is None or context.options.explain:
        return found
    return replace(found, decision=replace(found.decision, evidence={}))


def _wanted(snapshot: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The slots that there should be now."""
    return [slot for slot in snapshot["slots"] if slot["wanted"]]
