"""One record per request: metrics, headers and explanations all read from it."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from experts.types import Usage
from orchestrator.config.model import DEFAULT_CLASS
from orchestrator.request.options import NO_OPTIONS, RequestOptions
from orchestrator.request.plan import Plan
from routers.base import Decision


@dataclass(slots=True)
class Trace:
    """What happened to one request; times are milliseconds."""

    request_id: str
    model: str
    request_class: str = DEFAULT_CLASS
    decision: Decision | None = None
    plan: Plan | None = None
    attempts: int = 0
    asked: bool = False
    """Whether the expert has the request: what it waits for now is the first byte."""
    route_ms: float = 0.0
    queue_ms: float = 0.0
    load_ms: float = 0.0
    slot: str | None = None
    retried: list[str] = field(default_factory=list)
    usage: dict[str, Usage] = field(default_factory=dict)
    """By expert, of an answer that several gave together."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What an aggregator has told of its work, as plain JSON."""
    doing: Callable[[], str] | None = None
    """Tells what a composed answer waits for."""
    api_key_name: str | None = None
    """Whose API key the request has; None where there are no keys."""
    options: RequestOptions = NO_OPTIONS
    """What the client asks for beyond OpenAI's protocol."""

    def count(self, expert: str, usage: Usage) -> None:
        """Add what a call of a composed answer cost."""
        self.usage[expert] = self.usage.get(expert, Usage()) + usage

    @property
    def used(self) -> Usage:
        """Of all calls together."""
        return sum(self.usage.values(), Usage())

    def headers(self) -> dict[str, str]:
        """The response headers that tell who answered and what it took."""
        headers = self.early_headers()
        headers["x-coterie-queue-ms"] = f"{self.queue_ms:.2f}"
        headers["x-coterie-load-ms"] = f"{self.load_ms:.2f}"
        return headers

    def early_headers(self) -> dict[str, str]:
        """Those of them that are known before the expert's turn has come."""
        headers = {
            "x-request-id": self.request_id,
            "x-coterie-model": self.model,
            "x-coterie-class": self.request_class,
        }
        if self.plan is not None:
            headers["x-coterie-route-ms"] = f"{self.route_ms:.2f}"
            headers["x-coterie-expert"] = self.plan.expert or "none"
            if self.plan.together:
                headers["x-coterie-aggregator"] = self.plan.together
        if self.decision is not None:
            headers["x-coterie-router"] = self.decision.router
            if self.decision.fallback:
                headers["x-coterie-fallback"] = self.decision.fallback
        return headers

    def extension(self, explain: bool = False) -> dict[str, Any]:
        """The body extension `coterie`; with `explain`, why it was decided so."""
        body: dict[str, Any] = {
            "expert": (self.plan and self.plan.expert) or None,
            "router": self.decision and self.decision.router,
            "fallback": self.decision and self.decision.fallback,
            "class": self.request_class,
            "route_ms": round(self.route_ms, 2),
            "queue_ms": round(self.queue_ms, 2),
            "load_ms": round(self.load_ms, 2),
            "slot": self.slot,
            "attempts": self.attempts,
        }
        if self.plan and self.plan.panel:
            body["panel"] = list(self.plan.panel.experts)
            body["lead"] = self.plan.panel.lead
            body["aggregator"] = self.plan.together
        if self.usage:
            body["usage"] = {expert: asdict(usage) for expert, usage in self.usage.items()}
        if explain:
            body |= _why(self.plan) if self.plan else {}
            body["scores"] = dict(self.decision.scores) if self.decision else None
            body["evidence"] = dict(self.decision.evidence) if self.decision else None
            if self.facts:
                body["aggregation"] = self.facts
        return body


def _why(plan: Plan) -> dict[str, Any]:
    return {
        "reason": plan.reason,
        "preferred": plan.preferred,
        "quality_cost": round(plan.quality_cost, 4),
        # JSON knows no infinity: who cannot be loaded now has no number.
        "saved_s": round(plan.saved_s, 3) if math.isfinite(plan.saved_s) else None,
    }
