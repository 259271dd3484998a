"""What a client is told about its request: response headers, and the field `coterie`."""

import math
from dataclasses import asdict
from typing import Any

from experts.openai import SLOT_WAIT_HEADER
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import Plan
from orchestrator.request.tracing.trace import Trace


def headers(context: RequestContext, trace: Trace) -> dict[str, str]:
    """The response headers that tell who answered and what it took."""
    return early_headers(context, trace) | {
        "x-coterie-queue-ms": f"{trace.queue_ms:.2f}",
        "x-coterie-load-ms": f"{trace.load_ms:.2f}",
        SLOT_WAIT_HEADER: f"{trace.slot_wait_ms:.2f}",
        **({"x-coterie-grouping": trace.facts["grouping"]} if "grouping" in trace.facts else {}),
    }


def early_headers(context: RequestContext, trace: Trace) -> dict[str, str]:
    """Those of them that are known before the expert's turn has come."""
    found = {
        "x-request-id": context.id,
        "x-coterie-model": context.model,
        "x-coterie-class": context.request_class,
    }
    if trace.plan is not None:
        found["x-coterie-route-ms"] = f"{trace.route_ms:.2f}"
        found["x-coterie-expert"] = trace.expert or "none"
        if trace.plan.aggregator is not None:
            found["x-coterie-aggregator"] = trace.plan.aggregator
    if trace.decision is not None:
        found["x-coterie-router"] = trace.decision.router
        if trace.decision.fallback:
            found["x-coterie-fallback"] = trace.decision.fallback
    return found


def extension(context: RequestContext, trace: Trace) -> dict[str, Any]:
    """The field `coterie` of an answer; with the option `explain`, why it was decided so."""
    plan, decision = trace.plan, trace.decision
    body: dict[str, Any] = {
        "expert": trace.expert,
        "router": decision and decision.router,
        "fallback": decision and decision.fallback,
        "class": context.request_class,
        "route_ms": round(trace.route_ms, 2),
        "queue_ms": round(trace.queue_ms, 2),
        "load_ms": round(trace.load_ms, 2),
        "slot_wait_ms": round(trace.slot_wait_ms, 2),
        "slot": trace.slot,
        "attempts": trace.attempts,
    }
    if plan is not None and plan.panel is not None:
        body["panel"] = list(plan.panel.experts)
        body["lead"] = plan.panel.lead
        body["aggregator"] = plan.aggregator
        body["usage"] = {expert: asdict(usage) for expert, usage in trace.usage.items()}
        if "grouping" in trace.facts:
            body["grouping"] = trace.facts["grouping"]
    if context.options.explain:
        body |= _reasons(plan) if plan is not None else {}
        body["scores"] = dict(decision.scores) if decision is not None else None
        body["evidence"] = dict(decision.evidence) if decision is not None else None
        if trace.facts:
            body["aggregation"] = trace.facts
    return body


def _reasons(plan: Plan) -> dict[str, Any]:
    return {
        "reason": plan.reason,
        "preferred": plan.preferred,
        "quality_cost": round(plan.quality_cost, 4),
        # JSON has no infinity: an expert that cannot be loaded now has no number.
        "saved_s": round(plan.saved_s, 3) if math.isfinite(plan.saved_s) else None,
    }
