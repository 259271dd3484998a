"""Who would answer a question: the router decides, and nobody is asked."""

import time
import uuid

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest

from experts.types import Request
from orchestrator.request.context import NO_OPTIONS, RequestContext
from orchestrator.request.plan import Abstain, Plan, Tradeoff
from orchestrator.server.bodies.console.playground import RouteBody, Routed
from orchestrator.server.context import context_of, read_body
from orchestrator.server.keys.access import entry_of, require_model
from orchestrator.server.openapi import endpoints
from orchestrator.server.playground.weights import choices, chooses_by_price
from orchestrator.server.schemas import parse_object, validated

router = APIRouter(prefix="/coterie", tags=["service"])


@router.post("/route", openapi_extra=endpoints.ROUTE)
async def route(http: HttpRequest) -> Routed:
    """Who would be asked a question, why, and whom other weights of the price would choose.

    No expert is asked. A router that has questions tagged by an expert goes by similar questions.
    """
    context, entry = context_of(http), entry_of(http.scope)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(RouteBody, parse_object(raw))
    require_model(entry, context.pipeline, body.model, NO_OPTIONS)
    messages = [{"role": "user", "content": body.question}]
    asked = Request(f"route-{uuid.uuid4().hex}", "chat/completions", {"messages": messages})
    started = time.perf_counter()
    found = await context.pipeline.consider(RequestContext(asked, body.model))
    route_ms = 1000 * (time.perf_counter() - started)
    own = found.tradeoff
    weight = own.quality_weight if body.quality_weight is None else body.quality_weight
    plan = found.plan(Tradeoff(weight, own.load_price))
    by_price = chooses_by_price([plan]) and found.decision.fallback is None
    return {
        "model": body.model,
        "router": found.decision.router,
        "quality_weight": weight,
        "expert": plan.expert if plan.panel is None else None,
        "experts": _asked(plan),
        "aggregator": plan.aggregator,
        "message": plan.action.message if isinstance(plan.action, Abstain) else None,
        "reason": plan.reason,
        "scores": dict(found.decision.scores),
        "prices": {n: s.price_usd_per_mtok for n, s in context.config.answering.items()},
        "guard": found.decision.fallback,
        "left_out": dict(plan.left_out),
        "evidence": dict(found.decision.evidence),
        "choices": choices(lambda at: found.plan(Tradeoff(at, own.load_price))) if by_price else [],
        "route_ms": round(route_ms, 2),
    }


def _asked(plan: Plan) -> list[str]:
    if plan.panel is not None:
        return list(plan.panel.experts)
    return [plan.expert] if plan.expert is not None else []
