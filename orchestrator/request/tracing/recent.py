"""What happened to the last requests, for those who asked them: a bounded memory of records."""

import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from typing_extensions import TypedDict

from experts.errors import UnknownObject
from experts.types import Usage
from orchestrator.config.telemetry.section import RecentConfig
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import Plan
from orchestrator.request.tracing.call import Call
from orchestrator.request.tracing.trace import Trace

Asker = tuple[str | None, str]
"""The name of the API key, None where there are none, and the request's id."""
RECORD_BYTES, CALL_BYTES, NAME_BYTES = 1500, 700, 250
"""What a record, each of its calls, and each name in it takes in memory, roughly."""


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
        "cache": str | None,
        "budget_spent": dict[str, int],
        "usage": dict[str, dict[str, int]],
        "request": dict[str, Any] | None,
    },
)
"""What happened to a request; `guard` is what the router's coverage guard made of it."""


@dataclass(slots=True)
class _Kept:
    """What a record is made of when somebody asks for it: no evidence, no texts.

    It is kept for every request, and asked for of hardly any.
    """

    id: str
    model: str
    operation: str
    request_class: str
    started: float
    """On the clock of `time.perf_counter`."""
    ended_at: float
    trace_id: str | None
    status: int | None
    error: str | None
    expert: str | None
    router: str | None
    scores: tuple[tuple[str, float], ...]
    guard: str | None
    plan: Plan | None
    times_ms: tuple[float | None, ...]
    made: list[Call]
    retried: list[str]
    cache: str | None
    budget_spent: Mapping[str, int]
    usage: Mapping[str, Usage]
    body: str | None

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, roughly."""
        texts = len(self.plan.reason) if self.plan is not None else 0
        if self.retried:
            texts += sum(map(len, self.retried))
        if self.body is not None:
            texts += len(self.body)
        names = len(self.scores) + len(self.usage)
        return RECORD_BYTES + CALL_BYTES * len(self.made) + NAME_BYTES * names + 2 * texts


class RecentRequests:
    """A sink of traces that remembers the last of them; the oldest are forgotten."""

    def __init__(self, config: RecentConfig) -> None:
        self._config = config
        self._room = int(config.remember_mb * (1 << 20))
        self._records: OrderedDict[Asker, tuple[_Kept, int]] = OrderedDict()
        self._size = 0

    def write(self, context: RequestContext, trace: Trace) -> None:
        """Remember what happened to a request that is over."""
        if not self._config.remember:
            return
        kept = _kept(context, trace, contents=self._config.contents)
        asker = (context.api_key_name, context.id)
        if asker in self._records:
            self._forget(asker)
        size = kept.size
        self._records[asker] = kept, size
        self._size += size
        while len(self._records) > self._config.remember or self._size > self._room:
            self._forget(next(iter(self._records)))

    def find(self, request_id: str, api_key_name: str | None) -> RequestRecord:
        """The record of a request of this key. Raises UnknownObject."""
        found = self._records.get((api_key_name, request_id))
        if found is None:
            raise UnknownObject(
                f"No request {request_id} of yours is remembered: it has not ended, is too old"
                " (traces.recent), or was answered by another gateway.",
                param="request_id",
            )
        return _record(found[0])

    def calls_to(self, expert: str) -> list[Call]:
        """The calls to one expert that are remembered, whoever asked; the oldest first."""
        return [c for kept, _ in self._records.values() for c in kept.made if c.expert == expert]

    @property
    def size(self) -> int:
        """Bytes that the records take, roughly."""
        return self._size

    def _forget(self, asker: Asker) -> None:
        if (kept := self._records.pop(asker, None)) is not None:
            self._size -= kept[1]


def _kept(context: RequestContext, trace: Trace, *, contents: bool) -> _Kept:
    decision, request = trace.decision, context.request
    body = json.dumps(request.body, default=str) if contents else None
    return _Kept(
        request.id,
        context.model,
        request.operation,
        context.request_class,
        context.started,
        time.time(),
        context.identity.trace_id if context.identity is not None else None,
        trace.status,
        trace.error,
        trace.expert,
        decision.router if decision is not None else None,
        decision.scores if decision is not None else (),
        decision.fallback if decision is not None else None,
        trace.plan,
        (
            trace.route_ms,
            trace.queue_ms,
            trace.load_ms,
            trace.slot_wait_ms,
            trace.first_byte_ms,
            trace.total_ms,
        ),
        trace.made,
        trace.retried,
        trace.cache,
        trace.budget_spent,
        trace.usage,
        body,
    )


def _record(kept: _Kept) -> RequestRecord:
    plan = kept.plan
    ended_at = datetime.fromtimestamp(kept.ended_at, UTC)
    times: Any = dict(zip(Times.__annotations__, map(_rounded, kept.times_ms), strict=True))
    return {
        "id": kept.id,
        "ended_at": ended_at.isoformat(timespec="milliseconds"),
        "model": kept.model,
        "operation": kept.operation,
        "class": kept.request_class,
        "status": kept.status,
        "error": kept.error,
        "expert": kept.expert,
        "trace_id": kept.trace_id,
        "router": kept.router,
        "scores": dict(kept.scores) if kept.router is not None else None,
        "guard": kept.guard,
        "reason": plan.reason if plan is not None else None,
        "preferred": plan.preferred if plan is not None else None,
        "panel": list(plan.panel.experts) if plan is not None and plan.panel else None,
        "aggregator": plan.aggregator if plan is not None else None,
        "times": times,
        "calls": [call_record(call, kept.started) for call in kept.made],
        "retried": kept.retried,
        "cache": kept.cache,
        "budget_spent": dict(kept.budget_spent),
        "usage": {expert: asdict(usage) for expert, usage in kept.usage.items()},
        "request": json.loads(kept.body) if kept.body is not None else None,
    }


def call_record(call: Call, started: float) -> CallRecord:
    """A call as plain JSON; times are counted from the request's beginning, `started`."""

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
