"""What operators ask: is it alive, is it ready, what is loaded, what does it count."""

import asyncio
import math
from collections.abc import Mapping
from importlib.metadata import version as package_version
from typing import Any

from fastapi import APIRouter
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from experts.errors import ConfigError, RequestError, UnknownModel
from orchestrator.server.auth import caller_of, require_admin
from orchestrator.server.context import MAX_REQUEST_ID, context_of, read_body
from orchestrator.server.schemas import parse_object, validated

router = APIRouter(tags=["service"])


@router.get("/health")
@router.get("/health/liveness")
async def health() -> dict[str, str]:
    """The gateway answers; no model is asked."""
    return {"status": "ok"}


@router.get("/health/readiness")
async def readiness(http: HttpRequest) -> Response:
    """200 while every slot is up, else 503; also 503 once the service stops.

    Experts that could not be loaded are listed: the service is ready with the others.
    """
    context = context_of(http)
    down = [slot["id"] for slot in context.pool.snapshot()["slots"] if not slot["up"]]
    status = "stopping" if context.drain.begun else "not ready" if down else "ready"
    body = {"status": status, "slots_down": down, "experts_failed": sorted(context.pool.failed)}
    return JSONResponse(body, 200 if status == "ready" else 503)


@router.get("/version")
async def version() -> dict[str, str]:
    """The version of Coterie."""
    return {"version": package_version("coterie")}


@router.get("/coterie/pool")
async def pool(http: HttpRequest) -> dict[str, Any]:
    """Slots with their memory and residents, loads per engine, queue lengths."""
    context = context_of(http)
    await context.pool.refresh()
    return context.pool.snapshot()


class FeedbackBody(BaseModel):
    """What a client thinks of an answer."""

    model_config = ConfigDict(extra="forbid")

    request_id: str = Field(min_length=1, max_length=MAX_REQUEST_ID)
    score: float

    @field_validator("score", mode="wrap")
    @classmethod
    def _share(cls, value: Any, read: ValidatorFunctionWrapHandler) -> float:
        try:
            score = float(read(value))
        except ValidationError:
            score = math.nan
        if not 0 <= score <= 1:  # So it is for NaN, too.
            raise ValueError("must be a number from 0 to 1")
        return score


@router.post("/coterie/feedback")
async def feedback(http: HttpRequest) -> Mapping[str, Any]:
    """A score of 0 to 1 for the answer with that x-request-id, once, by the key that asked."""
    context = context_of(http)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(FeedbackBody, parse_object(raw))
    caller = caller_of(http.scope)
    name = caller.name if caller is not None else None
    return await context.pipeline.feedback.give(body.request_id, body.score, name)


@router.post("/coterie/routers/{name}/reload")
async def reload(http: HttpRequest, name: str) -> dict[str, Any]:
    """Build a router anew, from its artifact or its outcome table, and let it decide at once."""
    context = context_of(http)
    require_admin(context.config, http.scope)
    if name not in context.config.routers:
        known = ", ".join(context.config.routers) or "none"
        raise UnknownModel(f"There is no router `{name}` (known: {known}).", param="name")
    try:
        made = await asyncio.to_thread(context.make_router, name)
    except ConfigError as error:
        # The one that served goes on.
        raise RequestError(error.message, param="name") from error
    context.pipeline.replace(name, made)
    return {"router": name, "warnings": list(getattr(made, "warnings", ()))}


@router.get("/coterie/learned")
async def learned(http: HttpRequest) -> dict[str, Any]:
    """The weights of the policies of each composition that learns."""
    return context_of(http).pipeline.feedback.weights()


@router.get("/metrics")
async def metrics(http: HttpRequest) -> Response:
    """Prometheus' exposition format."""
    return Response(context_of(http).metrics.text(), media_type="text/plain; version=0.0.4")
