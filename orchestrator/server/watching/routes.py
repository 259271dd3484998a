"""Endpoints that tell of the pool: the stream of what happens in it, and one expert's standing."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from experts.errors import UnknownModel
from orchestrator.server.auth import goes_on, require_unrestricted
from orchestrator.server.bodies.console.watching import ExpertStanding
from orchestrator.server.context import Context, context_of
from orchestrator.server.openapi import endpoints
from orchestrator.server.watching.events import Events, EventStream
from orchestrator.server.watching.standing import latency, learned

router = APIRouter(prefix="/coterie", tags=["service"])


@router.get("/events", openapi_extra=endpoints.EVENTS)
async def events(http: HttpRequest) -> Response:
    """What happens in the pool, as events: snapshots when anything changes, and rates each second.

    Slots, loads and queues (`pool`), what is answered per second (`rates`), and what has come into
    slots and left them (`moves`). It lasts until the client leaves, its key is revoked or changed,
    or the service stops.
    """
    require_unrestricted(http.scope)
    told: Events = http.app.state.events
    return EventStream(told, lambda: goes_on(context_of(http).keys, http.scope))


@router.get("/pool/experts/{expert}", openapi_extra=endpoints.STANDING)
async def standing(http: HttpRequest, expert: str) -> ExpertStanding:
    """One expert: its price, how it did on the routers' questions, and how fast it was lately."""
    require_unrestricted(http.scope)
    context = context_of(http)
    spec = context.config.experts.get(expert)
    if spec is None:
        known = ", ".join(context.config.experts)
        raise UnknownModel(f"There is no expert `{expert}` (known: {known}).", param="expert")
    engine = _engine_of(context, expert)
    fixed = context.reaches_one("would keep it" if engine["pinned"] else "would not keep it")
    routers = context.pipeline.routers
    return {
        "expert": expert,
        "about": spec.about,
        "type": spec.type,
        "engine": engine["name"],
        "price_usd_per_mtok": spec.price_usd_per_mtok,
        "context_length": (await context.pool.context_lengths()).get(expert),
        "pinned": engine["pinned"],
        "fixed": None if fixed is None else str(fixed),
        "failed": context.pool.failed.get(expert),
        # In a thread: there may be many questions.
        "learned": await asyncio.to_thread(learned, routers, expert),
        "latency": latency(context.telemetry.recent.calls_to(expert)),
    }


def _engine_of(context: Context, expert: str) -> dict[str, Any]:
    """The engine that runs an expert of ours; nothing for a remote one."""
    for name, entry in context.pool.snapshot()["loads"].items():
        if expert in entry["experts"]:
            return {"name": name, "pinned": entry["pinned"]}
    return {"name": None, "pinned": False}
