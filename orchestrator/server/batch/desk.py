"""Reads, routes and answers the lines of batches as the endpoints do, without HTTP between."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from experts.errors import CoterieError, InternalError, RequestError
from experts.types import EMBEDDINGS, Operation
from orchestrator.batch.desk import Answered
from orchestrator.batch.line import Line
from orchestrator.config.model import BATCH_CLASS, Config
from orchestrator.request.context import RequestContext
from orchestrator.request.decider import Foreseen
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.tracing.presentation import extension
from orchestrator.request.tracing.sinks import TraceSink
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.pool import ExpertPool
from orchestrator.server.bodies.embeddings import check_inputs
from orchestrator.server.classes import check_class
from orchestrator.server.errors import body_of, headers_of, status_of
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
        self, config: Config, pool: ExpertPool, pipeline: Pipeline, sinks: Sequence[TraceSink]
    ) -> None:
        """`sinks` get the traces of lines, as they get those of requests."""
        self._config = config
        self._pool = pool
        self._pipeline = pipeline
        self._sinks = sinks

    def read(self, line: Line, endpoint: str, request_id: str, owner: str | None) -> RequestContext:
        """Raises RequestError."""
        config, operation = self._config, OPERATIONS[endpoint]
        request, model, extension = parse_inner(line.body, operation, request_id)
        if operation == EMBEDDINGS:
            check_inputs(request.body.get("input"), config.server.max_embedding_inputs)
        if extension.request_class is not None:
            check_class(config, extension.request_class)
        asked = extension.request_class or BATCH_CLASS
        return RequestContext(request, model, asked, extension.options, owner)

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
        context = replace(context, started=time.perf_counter())
        try:
            async with await self._pipeline.answer(context, trace) as answer:
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
        body["coterie"] = extension(context, trace)
        usage = body.get("usage") or {}
        tokens = {
            name: count
            for name in ("prompt_tokens", "completion_tokens")
            if isinstance(count := usage.get(name), int)
        }
        return Answered(200, context.id, body, tokens)

    def engine(self, expert: str) -> str | None:
        """A base expert's engine serves its adapters and aliases."""
        spec = self._config.hosted().get(expert)
        return None if spec is None else spec.base or expert

    def sizes(self) -> Mapping[str, float]:
        """As the pool knows them now."""
        loads = self._pool.snapshot()["loads"]
        return {name: float(entry["memory_gb"] or 0.0) for name, entry in loads.items()}

    def room(self) -> float:
        """Of all slots."""
        slots = self._config.slots
        return slots.count * slots.memory_gb

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
