"""Where the trace of a request goes when it is over: the access log, and a file of JSON lines."""

import json
import logging
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from experts.upstream.quoting import quoted
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.recent import call_record
from orchestrator.request.tracing.trace import Trace
from routers.reading import reading

ACCESS = logging.getLogger("coterie.access")
LOGGER = logging.getLogger("coterie.traces")
_BARE = vars(logging.LogRecord(ACCESS.name, logging.INFO, "", 0, "request", None, None)) | {
    key: None for key in ("process", "processName", "thread", "threadName")
}
"""A record without its time; no line of ours tells of processes and threads."""
_BEGAN = _BARE["created"]
MAX_PENDING = 10_000
"""Lines that wait for a slow disk; further ones are dropped, and that is logged."""


class TraceSink(Protocol):
    """Takes the trace of every request once, when the request is over. Must not block."""

    def write(self, context: RequestContext, trace: Trace) -> None: ...


class AccessLog:
    """One line for each request, through the logger `coterie.access`."""

    def write(self, context: RequestContext, trace: Trace) -> None:
        if not ACCESS.isEnabledFor(logging.INFO):
            return
        ACCESS.handle(_AccessRecord(access_fields(context, trace)))


class _AccessRecord(logging.LogRecord):
    """Made of one that is there: to find out who logs, and where, costs more than the line."""

    def __init__(self, access: Mapping[str, Any]) -> None:
        now = time.time()
        own = {"created": now, "msecs": now % 1 * 1000, "relativeCreated": 1000 * (now - _BEGAN)}
        self.__dict__ = {**_BARE, **own, "access": access}


def access_fields(context: RequestContext, trace: Trace) -> dict[str, Any]:
    """What the access line tells; what is not known is None."""
    usage = trace.total_usage
    return {
        "id": context.id,
        "model": quoted(context.model),
        "expert": trace.expert,
        "status": trace.status,
        "error": trace.error,
        "class": context.request_class,
        "key": context.api_key_name,
        "queue_ms": round(trace.queue_ms, 2),
        "load_ms": round(trace.load_ms, 2),
        "slot_wait_ms": round(trace.slot_wait_ms, 2),
        "route_ms": round(trace.route_ms, 2),
        "first_token_ms": _rounded(trace.first_byte_ms),
        "total_ms": _rounded(trace.total_ms),
        "prompt_tokens": usage.prompt_tokens if trace.usage else None,
        "completion_tokens": usage.completion_tokens if trace.usage else None,
        "retries": len(trace.retried),
        "cache": trace.cache,
        "trace_id": context.identity.trace_id if context.identity is not None else None,
    }


class TraceFile:
    """Appends a share of all traces to a file of JSON lines, in a thread of its own."""

    def __init__(self, file: Path, sample: float) -> None:
        """`sample` is the share in 0..1; whether a request is in it depends on its id alone."""
        self._file = file
        self._sample = sample
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="traces")
        self._pending = 0
        self._dropped = 0
        self._failed = 0
        self._next_report = 10

    def write(self, context: RequestContext, trace: Trace) -> None:
        if zlib.crc32(context.id.encode("utf-8", "replace")) >= self._sample * (1 << 32):
            return
        if self._pending >= MAX_PENDING:
            self._dropped += 1
            if self._dropped == 1:
                LOGGER.warning("%s is too slow: traces are dropped", self._file)
            return
        line = json.dumps(trace_line(context, trace))
        self._pending += 1
        self._writer.submit(self._append, line)

    def close(self) -> None:
        """Write what is pending; blocks until it is on disk."""
        self._writer.shutdown()
        if lost := self._dropped + self._failed:
            LOGGER.warning("traces that did not reach %s: %d", self._file, lost)

    def _append(self, line: str) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as opened:
                opened.write(line + "\n")
        except OSError:
            self._report_failure()
        finally:
            self._pending -= 1

    def _report_failure(self) -> None:
        """Log the first failure in full, then only how many there were, ever more rarely."""
        self._failed += 1
        if self._failed == 1:
            LOGGER.exception("a trace could not be written to %s", self._file)
        elif self._failed == self._next_report:
            self._next_report *= 10
            LOGGER.warning("traces that could not be written to %s: %d", self._file, self._failed)


def trace_line(context: RequestContext, trace: Trace) -> dict[str, Any]:
    """A trace as plain JSON.

    Its first keys are those of an outcome table's row, so that `coterie outcomes add` can join it
    with scores.
    """
    decision, plan = trace.decision, trace.plan
    return {
        "query_id": f"served/{context.id}",
        "task": quoted(context.model),
        "query": reading(context.request),
        "seconds": round(trace.total_ms / 1000, 6) if trace.total_ms is not None else None,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        **access_fields(context, trace),
        "router": decision and decision.router,
        "fallback": trace.fallback,
        "scores": dict(decision.scores) if decision else None,
        "reason": plan and plan.reason,
        "panel": list(plan.panel.experts) if plan and plan.panel else None,
        "aggregator": plan and plan.aggregator,
        "slot": trace.slot,
        "attempts": trace.attempts,
        "retried": trace.retried,
        "calls": [call_record(call, context.started) for call in trace.made],
        "usage": {expert: asdict(usage) for expert, usage in trace.usage.items()},
    }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)
