"""What happened to the last requests, for those who asked them: a bounded memory of records."""

import json
from collections import OrderedDict
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from typing_extensions import TypedDict

from experts.errors import UnknownObject
from orchestrator.config.telemetry.section import RecentConfig
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.call import Call
from orchestrator.request.tracing.trace import Trace

Asker = tuple[str | None, str]
"""The name of the API key, None where there are none, and the request's id."""
RECORD_BYTES = 500
"""What a record takes beside its JSON, roughly."""


class Times(TypedDict):
    """Milliseconds: what the answer waited for, and when it came, counted from the request."""

    route_ms: float
    queue_ms: float
    load_ms: float
    slot_wait_ms: float
    first_token_ms: float | None
    total_ms: float | None


class CallRecord(TypedDict):
    """One try to get an answer of an expert; `..._at_ms` are milliseconds since the request."""

    expert: str
    slot: str | None
    began_at_ms: float
    queue_ms: float
    load_ms: float
    first_at_ms: float | None
    ended_at_ms: float | None
    error: str | None
    usage: dict[str, int] | None


RequestRecord = TypedDict(
    "RequestRecord",
    {
        "id": str,
        "ended_at": str,
        "model": str,
        "operation": str,
        "class": str,
        "status": int | None,
        "error": str | None,
        "expert": str | None,
        "trace_id": str | None,
        "router": str | None,
        "scores": dict[str, float] | None,
        "guard": str | None,
        "reason": str | None,
        "preferred": str | None,
        "panel": list[str] | None,
        "aggregator": str | None,
        "times": Times,
        "calls": list[CallRecord],
        "retried": list[str],
        "budget_spent": dict[str, int],
        "usage": dict[str, dict[str, int]],
        "request": dict[str, Any] | None,
    },
)
"""What happened to a request; `guard` is what the router's coverage guard made of it."""


class RecentRequests:
    """A sink of traces that remembers the last of them; the oldest are forgotten."""

    def __init__(self, config: RecentConfig) -> None:
        self._config = config
        self._room = int(config.remember_mb * (1 << 20))
        self._records: OrderedDict[Asker, bytes] = OrderedDict()
        self._size = 0

    def write(self, context: RequestContext, trace: Trace) -> None:
        """Remember what happened to a request that is over."""
        if not self._config.remember:
            return
        record = record_of(context, trace, contents=self._config.contents)
        line = json.dumps(record, default=str).encode()
        asker = (context.api_key_name, context.id)
        self._forget(asker)
        self._records[asker] = line
        self._size += RECORD_BYTES + len(line)
        while len(self._records) > self._config.remember or self._size > self._room:
            self._forget(next(iter(self._records)))

    def find(self, request_id: str, api_key_name: str | None) -> bytes:
        """The record of a request of this key, as JSON. Raises UnknownObject."""
        found = self._records.get((api_key_name, request_id))
        if found is None:
            raise UnknownObject(
                f"No request {request_id} of yours is remembered: it has not ended, is too old"
                " (traces.recent), or was answered by another gateway.",
                param="request_id",
            )
        return found

    @property
    def size(self) -> int:
        """Bytes that the records take, roughly."""
        return self._size

    def _forget(self, asker: Asker) -> None:
        if (line := self._records.pop(asker, None)) is not None:
            self._size -= RECORD_BYTES + len(line)


def record_of(context: RequestContext, trace: Trace, *, contents: bool) -> RequestRecord:
    """What happened to a request; with `contents`, its body as well."""
    decision, plan = trace.decision, trace.plan
    return {
        "id": context.id,
        "ended_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "model": context.model,
        "operation": context.request.operation,
        "class": context.request_class,
        "status": trace.status,
        "error": trace.error,
        "expert": trace.expert,
        "trace_id": context.identity.trace_id if context.identity is not None else None,
        "router": decision.router if decision else None,
        "scores": dict(decision.scores) if decision else None,
        "guard": decision.fallback if decision else None,
        "reason": plan.reason if plan else None,
        "preferred": plan.preferred if plan else None,
        "panel": list(plan.panel.experts) if plan and plan.panel else None,
        "aggregator": plan.aggregator if plan else None,
        "times": {
            "route_ms": round(trace.route_ms, 2),
            "queue_ms": round(trace.queue_ms, 2),
            "load_ms": round(trace.load_ms, 2),
            "slot_wait_ms": round(trace.slot_wait_ms, 2),
            "first_token_ms": _rounded(trace.first_byte_ms),
            "total_ms": _rounded(trace.total_ms),
        },
        "calls": [_call(call, context.started) for call in trace.made],
        "retried": trace.retried,
        "budget_spent": dict(trace.budget_spent),
        "usage": {expert: asdict(usage) for expert, usage in trace.usage.items()},
        "request": dict(context.request.body) if contents else None,
    }


def _call(call: Call, started: float) -> CallRecord:
    def at_ms(moment: float | None) -> float | None:
        return None if moment is None else round(1000 * (moment - started), 2)

    return {
        "expert": call.expert,
        "slot": call.slot,
        "began_at_ms": round(1000 * (call.began - started), 2),
        "queue_ms": round(call.queue_ms, 2),
        "load_ms": round(call.load_ms, 2),
        "first_at_ms": at_ms(call.first),
        "ended_at_ms": at_ms(call.ended),
        "error": call.error,
        "usage": asdict(call.usage) if call.usage is not None else None,
    }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)
