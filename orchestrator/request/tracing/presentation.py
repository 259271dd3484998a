"""What a client is told about its request: response headers, and the field `coterie`."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from typing_extensions import TypedDict

from experts.openai import SLOT_WAIT_HEADER
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import Plan
from orchestrator.request.tracing.said import SaidRecord
from orchestrator.request.tracing.trace import Trace

HEADERS: Mapping[str, str] = {
    "x-coterie-model": "The model that was asked for.",
    "x-coterie-class": "The request class, which says how long it may be made to wait.",
    "x-coterie-expert": "The expert that answered, or `none`; of a panel, once that is known.",
    "x-coterie-router": "The router that decided.",
    "x-coterie-fallback": "Why the router's own choice did not answer.",
    "x-coterie-aggregator": "What makes one answer of several.",
    "x-coterie-cache": "`hit`: an answer that was kept; `coalesced`: that of an equal request under"
    " way; `miss`: neither. Only where that was looked for.",
    "age": "Seconds since a kept answer was given first.",
    "x-coterie-grouping": "How a vote found out which answers say the same.",
    "x-coterie-route-ms": "Milliseconds of routing.",
    "x-coterie-queue-ms": "Milliseconds of waiting for a turn.",
    "x-coterie-load-ms": "Milliseconds of waiting for the expert to be loaded.",
    SLOT_WAIT_HEADER: "Milliseconds in which other engines of the slot held the answer up.",
}
"""Our own headers of an answer; which of them it has depends on who answered."""


Told = TypedDict(
    "Told",
    {
        "expert": str | None,
        "router": str | None,
        "fallback": str | None,
        "class": str,
        "route_ms": float,
        "queue_ms": float,
        "load_ms": float,
        "slot_wait_ms": float,
        "slot": str | None,
        "attempts": int,
        "failed": dict[str, str],
        "panel": list[str],
        "lead": str | None,
        "aggregator": str | None,
        "calls": dict[str, int],
        "usage": dict[str, dict[str, int]],
        "grouping": str,
        "reason": str,
        "preferred": str | None,
        "quality_cost": float,
        "saved_s": float | None,
        "scores": dict[str, float] | None,
        "evidence": Any,
        "aggregation": dict[str, Any],
        "said": list[SaidRecord],
        "cache": str,
    },
    total=False,
)
"""The field `coterie` of an answer: who answered, and what it took."""


_EXPLAINING = (
    *("reason", "preferred", "quality_cost", "saved_s", "scores", "evidence"),
    *("aggregation", "said"),
)


def headers(context: RequestContext, trace: Trace) -> dict[str, str]:
    """The response headers that tell who answered and what it took."""
    found = early_headers(context, trace)
    found["x-coterie-queue-ms"] = f"{trace.queue_ms:.2f}"
    found["x-coterie-load-ms"] = f"{trace.load_ms:.2f}"
    found[SLOT_WAIT_HEADER] = f"{trace.slot_wait_ms:.2f}"
    if "grouping" in trace.facts:
        found["x-coterie-grouping"] = trace.facts["grouping"]
    return found if trace.source is None else found | dict(trace.source.headers(early=False))


def early_headers(context: RequestContext, trace: Trace) -> dict[str, str]:
    """Those of them that are known before the expert's turn has come."""
    found = {
        "x-request-id": context.id,
        "x-coterie-model": context.model,
        "x-coterie-class": context.request_class,
    }
    if trace.cache is not None:
        found["x-coterie-cache"] = trace.cache
    if trace.source is not None:
        return found | dict(trace.source.headers(early=True))
    if trace.plan is not None:
        found["x-coterie-route-ms"] = f"{trace.route_ms:.2f}"
        if _expert_is_known(context, trace):
            found["x-coterie-expert"] = trace.expert or "none"
        if trace.plan.aggregator is not None:
            found["x-coterie-aggregator"] = trace.plan.aggregator
    if trace.decision is not None:
        found["x-coterie-router"] = trace.decision.router
        if (fallback := trace.fallback) is not None:
            found["x-coterie-fallback"] = fallback
    return found


def extension(context: RequestContext, trace: Trace) -> Told:
    """The field `coterie` of an answer; with the option `explain`, why it was decided so."""
    told = _told(context, trace) if trace.source is None else _told_by(context, trace)
    return told if trace.cache is None else {**told, "cache": trace.cache}


def headers_told(told: Mapping[str, Any]) -> dict[str, str]:
    """The headers that say what the field `coterie` of an answer says of who gave it."""
    names = ("router", "fallback", "aggregator", "grouping")
    found = {f"x-coterie-{name}": str(told[name]) for name in names if told.get(name)}
    return {"x-coterie-expert": told.get("expert") or "none", **found}


def _told_by(context: RequestContext, trace: Trace) -> Told:
    """What is told of the request whose answer this one gets.

    What that one waited for is left out, unless it is this one's own.
    """
    assert trace.source is not None
    told = dict(trace.source.told())
    own: dict[str, Any] = {"class": context.request_class}
    if trace.cache != "miss":
        own |= dict.fromkeys(("route_ms", "queue_ms", "load_ms", "slot_wait_ms"), 0.0)
        own["attempts"] = 0
    told |= own
    left_out = () if context.options.explain else _EXPLAINING
    return cast("Told", {name: told[name] for name in told if name not in left_out})


def _told(context: RequestContext, trace: Trace) -> Told:
    plan, decision = trace.plan, trace.decision
    body: Told = {
        "expert": trace.expert if _expert_is_known(context, trace) else None,
        "router": decision.router if decision is not None else None,
        "fallback": trace.fallback,
        "class": context.request_class,
        "route_ms": round(trace.route_ms, 2),
        "queue_ms": round(trace.queue_ms, 2),
        "load_ms": round(trace.load_ms, 2),
        "slot_wait_ms": round(trace.slot_wait_ms, 2),
        "slot": trace.slot,
        "attempts": trace.attempts,
    }
    if trace.failed:
        body["failed"] = trace.failed
    if plan is not None and plan.panel is not None:
        body["panel"] = list(plan.panel.experts)
        body["lead"] = plan.panel.lead
        body["aggregator"] = plan.aggregator
        body["calls"] = dict(trace.calls)
        body["usage"] = {expert: asdict(usage) for expert, usage in trace.usage.items()}
        if "grouping" in trace.facts:
            body["grouping"] = trace.facts["grouping"]
    if context.options.explain:
        if plan is not None:
            body.update(_reasons(plan))
        body["scores"] = dict(decision.scores) if decision is not None else None
        body["evidence"] = dict(decision.evidence) if decision is not None else None
        if trace.facts:
            body["aggregation"] = trace.facts
        if trace.said:
            body["said"] = [one.record() for one in trace.said]
    return body


def _expert_is_known(context: RequestContext, trace: Trace) -> bool:
    """The stream of a panel begins before any of its experts has, and the first may never."""
    if not context.request.stream:
        return True
    panel = trace.plan.panel if trace.plan is not None else None
    return panel is None or trace.has_answered


def _reasons(plan: Plan) -> Told:
    return {
        "reason": plan.reason,
        "preferred": plan.preferred,
        "quality_cost": round(plan.quality_cost, 4),
        # JSON has no infinity: an expert that cannot be loaded now has no number.
        "saved_s": round(plan.saved_s, 3) if math.isfinite(plan.saved_s) else None,
    }
