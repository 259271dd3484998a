"""One record per request: metrics, headers and explanations all read from it."""

from dataclasses import dataclass, field
from typing import Any

from orchestrator.plan import Plan
from routers.base import Decision


@dataclass(slots=True)
class Trace:
    """What happened to one request; times are milliseconds."""

    request_id: str
    model: str
    decision: Decision | None = None
    plan: Plan | None = None
    attempts: int = 0
    route_ms: float = 0.0
    queue_ms: float = 0.0
    load_ms: float = 0.0
    slot: str | None = None
    retried: list[str] = field(default_factory=list)

    def headers(self) -> dict[str, str]:
        """The response headers that tell who answered and what it took."""
        headers = {
            "x-request-id": self.request_id,
            "x-coterie-model": self.model,
            "x-coterie-route-ms": f"{self.route_ms:.2f}",
            "x-coterie-queue-ms": f"{self.queue_ms:.2f}",
            "x-coterie-load-ms": f"{self.load_ms:.2f}",
        }
        if self.plan is not None:
            headers["x-coterie-expert"] = self.plan.expert
        if self.decision is not None:
            headers["x-coterie-router"] = self.decision.router
        return headers

    def extension(self, explain: bool = False) -> dict[str, Any]:
        """The body extension `coterie`; with `explain`, why it was decided so."""
        body: dict[str, Any] = {
            "expert": self.plan and self.plan.expert,
            "router": self.decision and self.decision.router,
            "route_ms": round(self.route_ms, 2),
            "queue_ms": round(self.queue_ms, 2),
            "load_ms": round(self.load_ms, 2),
            "slot": self.slot,
            "attempts": self.attempts,
        }
        if explain:
            body["reason"] = self.plan and self.plan.reason
            body["scores"] = dict(self.decision.scores) if self.decision else None
            body["evidence"] = dict(self.decision.evidence) if self.decision else None
        return body
