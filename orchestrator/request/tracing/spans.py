"""The spans of one request, made of its trace when it is over. Pure.

One for the request, and below it one for the decision, each wait in a queue, each load, each call
to an expert, and the work of an aggregator. Attributes are those of OpenTelemetry's semantic
conventions for generative AI (https://opentelemetry.io/docs/specs/semconv/gen-ai/), and our own
under `coterie.`; no text of a request or an answer is among them. A turn is shown as its queue and
then its load, though a load may begin while others still wait in the queue.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from experts.types import Operation, Request, Usage
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.call import Call
from orchestrator.request.tracing.trace import Trace

Kind = Literal["server", "client", "internal"]
OPERATIONS: Mapping[Operation, str] = {
    "chat/completions": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}
"""What the conventions call what we serve."""
_ASKED = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
_KEPT = (*_ASKED, "stream")


@dataclass(frozen=True, slots=True)
class Span:
    """Times are nanoseconds since 1970."""

    name: str
    kind: Kind
    span_id: str
    parent_id: str | None
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    """The code of the error that it ended with."""


def spans_of(context: RequestContext, trace: Trace, offset_ns: int) -> list[Span]:
    """The spans of a request that has an identity with a span; the request's own is the first.

    `offset_ns` is what must be added to times of `time.perf_counter` to have them since 1970.
    """
    return list(_Spans(context, trace, offset_ns).all())


def without_texts(context: RequestContext) -> RequestContext:
    """What spans are made of, without messages and images, which may be large."""
    body = context.request.body
    kept = {name: body[name] for name in _KEPT if name in body}
    request = Request(context.id, context.request.operation, kept)
    return replace(context, request=request, as_sent=None, decision=None)


class _Spans:
    def __init__(self, context: RequestContext, trace: Trace, offset_ns: int) -> None:
        assert context.identity is not None
        assert context.identity.span_id is not None
        self._context = context
        self._trace = trace
        self._identity = context.identity
        self._offset_ns = offset_ns
        self._root_id: str = context.identity.span_id
        self._ended = context.started + (trace.total_ms or 0.0) / 1000
        decided = trace.decided
        self._decision = None if decided is None else (decided - trace.route_ms / 1000, decided)
        self._decision_id, self._aggregation_id = secrets.token_hex(8), secrets.token_hex(8)
        self._operation = OPERATIONS[context.request.operation]

    def all(self) -> Iterator[Span]:
        yield self._request()
        if self._decision is not None:
            yield self._route(*self._decision)
        if self._trace.aggregating is not None:
            yield self._aggregation(self._trace.aggregating)
        for number, call in enumerate(self._trace.made):
            yield from self._call(call, number)

    def _span(
        self,
        name: str,
        kind: Kind,
        ids: tuple[str, str | None],
        times: tuple[float, float],
        attributes: Mapping[str, Any],
        error: str | None = None,
    ) -> Span:
        start_ns, end_ns = (int(1e9 * one) + self._offset_ns for one in times)
        known = {key: value for key, value in attributes.items() if value is not None}
        if error is not None:
            known["error.type"] = error
        return Span(name, kind, *ids, start_ns, max(start_ns, end_ns), known, error)

    def _request(self) -> Span:
        context, trace = self._context, self._trace
        over_http = bool(context.route)
        body = context.request.body
        attributes = {
            **({"http.request.method": "POST", "http.route": context.route} if over_http else {}),
            "http.response.status_code": trace.status if over_http else None,
            "gen_ai.operation.name": self._operation,
            "gen_ai.request.model": context.model if trace.plan or trace.source else None,
            "gen_ai.request.stream": context.request.stream,
            "gen_ai.response.model": trace.expert,
            "gen_ai.response.time_to_first_chunk": _seconds(trace.first_byte_ms),
            **{
                _ASKED[name]: value
                for name, value in body.items()
                if name in _ASKED and isinstance(value, int | float)
            },
            **(_tokens(trace.total_usage) if trace.usage else {}),
            "coterie.request.id": context.id,
            "coterie.class": context.request_class,
            "coterie.key": context.api_key_name,
            "coterie.retries": len(trace.retried),
            "coterie.cache": trace.cache,
        }
        name = f"POST {context.route}" if over_http else f"batch {self._operation}"
        ids = self._root_id, self._identity.parent_id
        kind: Kind = "server" if over_http else "internal"
        return self._span(name, kind, ids, (context.started, self._ended), attributes, trace.error)

    def _route(self, start: float, end: float) -> Span:
        decision, plan = self._trace.decision, self._trace.plan
        assert decision is not None
        attributes = {
            "coterie.router": decision.router,
            "coterie.guard": decision.fallback,
            "coterie.expert": plan and plan.expert,
            "coterie.preferred": plan and plan.preferred,
            "coterie.reason": plan and plan.reason,
        }
        ids = self._decision_id, self._root_id
        return self._span(f"route {decision.router}", "internal", ids, (start, end), attributes)

    def _aggregation(self, start: float) -> Span:
        trace = self._trace
        plan = trace.plan
        name = (plan and plan.aggregator) or "panel"
        attributes = {
            "coterie.aggregator": name,
            "coterie.panel": plan.panel.experts if plan and plan.panel else None,
            "coterie.expert": trace.expert,
        }
        ids = self._aggregation_id, self._root_id
        times = start, self._ended
        return self._span(f"aggregate {name}", "internal", ids, times, attributes, trace.error)

    def _parent(self, call: Call) -> str:
        """A tagger is called while the decision is made, a panel while it is aggregated."""
        if self._decision is not None and self._decision[0] <= call.began < self._decision[1]:
            return self._decision_id
        return self._root_id if self._trace.aggregating is None else self._aggregation_id

    def _call(self, call: Call, number: int) -> Iterator[Span]:
        parent = self._parent(call)
        ended = self._ended if call.ended is None else call.ended
        turn = call.began + call.queue_ms / 1000
        expert = {"coterie.expert": call.expert}
        waiting = call.error if call.sent is None else None
        ids = secrets.token_hex(8), parent
        times = call.began, min(turn, ended)
        yield self._span(f"queue {call.expert}", "internal", ids, times, expert, waiting)
        if call.sent is None:
            return
        if call.load_ms:
            ids, times = (secrets.token_hex(8), parent), (turn, turn + call.load_ms / 1000)
            yield self._span(f"load {call.expert}", "internal", ids, times, expert)
        attributes = {
            **expert,
            "gen_ai.operation.name": self._operation,
            "gen_ai.provider.name": "openai" if call.slot is None else "vllm",
            "gen_ai.request.model": call.expert,
            "gen_ai.response.time_to_first_chunk": call.first and call.first - call.sent,
            **(_tokens(call.usage) if call.usage is not None else {}),
            "coterie.slot": call.slot,
            "coterie.call": number,
        }
        ids = call.span_id or secrets.token_hex(8), parent
        name = f"{self._operation} {call.expert}"
        yield self._span(name, "client", ids, (call.sent, ended), attributes, call.error)


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
