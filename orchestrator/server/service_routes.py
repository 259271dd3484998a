"""What operators ask: is it alive, is it ready, what is loaded, what does it count."""

import asyncio
import json
from importlib.metadata import version as package_version
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response

from experts.errors import ConfigError, RequestError, UnknownModel
from orchestrator.request.feedback import FeedbackTaken
from orchestrator.request.reuse.versions import versions_of
from orchestrator.server.auth import caller_of, require_admin, require_unrestricted
from orchestrator.server.bodies.answers import Draining, Reloaded, Status, Version
from orchestrator.server.bodies.feedback import FeedbackBody
from orchestrator.server.context import context_of, read_body
from orchestrator.server.gates.admin import DOOR
from orchestrator.server.openapi import endpoints
from orchestrator.server.openapi.document import Documents
from orchestrator.server.openapi.page import page_of
from orchestrator.server.schemas import parse_object, validated

router = APIRouter(tags=["service"])


@router.get("/health", openapi_extra=endpoints.HEALTH)
@router.get("/health/liveness", openapi_extra=endpoints.HEALTH)
async def health() -> Status:
    """The gateway answers; no model is asked."""
    return {"status": "ok"}


@router.get("/health/readiness", openapi_extra=endpoints.READINESS)
async def readiness(http: HttpRequest) -> Response:
    """200 while a slot is up, or none is needed, else 503; also 503 once the service stops.

    Slots that are down, and experts that could not be loaded, are listed: the service is ready with
    the others.
    """
    context = context_of(http)
    slots = [slot for slot in context.pool.snapshot()["slots"] if slot["wanted"]]
    down = [slot["id"] for slot in slots if not slot["up"]]
    alone = bool(slots) and len(down) == len(slots)
    status = "stopping" if context.drain.begun else "not ready" if alone else "ready"
    body = {"status": status, "slots_down": down, "experts_failed": sorted(context.pool.failed)}
    return JSONResponse(body, 200 if status == "ready" else 503)


@router.get("/version", openapi_extra=endpoints.VERSION)
async def version() -> Version:
    """The version of Coterie."""
    return {"version": package_version("coterie")}


@router.get("/coterie/pool", openapi_extra=endpoints.POOL)
async def pool(http: HttpRequest) -> dict[str, Any]:
    """Slots with their memory and residents, loads per engine, queue lengths."""
    require_unrestricted(http.scope)
    context = context_of(http)
    await context.pool.refresh()
    return context.pool.snapshot()


@router.post("/coterie/feedback", openapi_extra=endpoints.FEEDBACK)
async def feedback(http: HttpRequest) -> FeedbackTaken:
    """A score of 0 to 1 for the answer with that x-request-id, once, by the key that asked."""
    context = context_of(http)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(FeedbackBody, parse_object(raw))
    caller = caller_of(http.scope)
    name = caller.name if caller is not None else None
    return await context.pipeline.feedback.give(body.request_id, body.score, name)


@router.get("/coterie/requests/{request_id}", openapi_extra=endpoints.REQUEST)
async def request(http: HttpRequest, request_id: str) -> Response:
    """What happened to a request that has ended, by its x-request-id, for the key that asked."""
    context = context_of(http)
    caller = caller_of(http.scope)
    name = caller.name if caller is not None else None
    record = await context.telemetry.record(request_id, name)
    # Not JSONResponse: it cannot encode half a surrogate, which a client may have sent.
    return Response(json.dumps(record), media_type="application/json")


@router.post("/coterie/routers/{name}/reload", openapi_extra=endpoints.RELOAD)
async def reload(http: HttpRequest, name: str) -> Reloaded:
    """Build a router anew, from its artifact or its outcome table, and let it decide at once."""
    context = context_of(http)
    require_admin(context.keys, http.scope)
    if name not in context.config.routers:
        known = ", ".join(context.config.routers) or "none"
        raise UnknownModel(f"There is no router `{name}` (known: {known}).", param="name")
    try:
        made = await asyncio.to_thread(context.make_router, name)
    except ConfigError as error:
        # The one that served goes on.
        raise RequestError(error.message, param="name") from error
    if context.answers is not None:
        context.answers.versions = await asyncio.to_thread(versions_of, context.config)
    context.pipeline.replace(name, made)
    if context.telemetry.siblings is not None:
        context.telemetry.siblings.reload()
    return {"router": name, "warnings": list(getattr(made, "warnings", ()))}


@router.post("/coterie/drain", openapi_extra=endpoints.DRAIN)
async def drain(http: HttpRequest) -> Draining:
    """Take this gateway out: not ready, and without batches, it still answers what comes.

    So do all workers of the service, and those that are started again meanwhile.
    """
    context = context_of(http)
    require_admin(context.keys, http.scope)
    return {"draining": True, "in_flight": await context.set_drained(True)}


@router.delete("/coterie/drain", openapi_extra=endpoints.DRAIN)
async def end_drain(http: HttpRequest) -> Draining:
    """Put it back with all its workers, unless the service stops."""
    context = context_of(http)
    require_admin(context.keys, http.scope)
    in_flight = await context.set_drained(False)
    return {"draining": context.drain.begun, "in_flight": in_flight}


@router.get("/coterie/learned", openapi_extra=endpoints.LEARNED)
async def learned(http: HttpRequest) -> dict[str, Any]:
    """The weights of the policies of each composition that learns."""
    require_unrestricted(http.scope)
    return context_of(http).pipeline.feedback.weights()


@router.get("/metrics", openapi_extra=endpoints.METRICS)
async def metrics(http: HttpRequest) -> Response:
    """Prometheus' exposition format: the gateway's numbers, then those of the slots' engines."""
    page = await context_of(http).telemetry.page()
    return Response(page, media_type="text/plain; version=0.0.4")


@router.get("/openapi.json", openapi_extra=endpoints.DOCUMENT)
async def openapi(http: HttpRequest) -> Response:
    """The OpenAPI document: every endpoint with what it takes and answers."""
    return JSONResponse(await _document(http))


@router.get("/docs", openapi_extra=endpoints.PAGE)
async def docs(http: HttpRequest) -> Response:
    """The document as a page, which needs no scripts and no other server."""
    return HTMLResponse(page_of(await _document(http)))


async def _document(http: HttpRequest) -> dict[str, Any]:
    documents: Documents = http.app.state.documents
    admin = context_of(http).config.server.admin
    public = admin is not None and DOOR not in http.scope
    # In a thread: the first time, it is made.
    return await asyncio.to_thread(lambda: documents.public if public else documents.whole)
