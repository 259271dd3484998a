"""What operators ask: is it alive, is it ready, what is loaded, what does it count."""

from importlib.metadata import version as package_version
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from orchestrator.server.context import context_of

router = APIRouter(tags=["service"])


@router.get("/health")
@router.get("/health/liveness")
async def health() -> dict[str, str]:
    """The gateway answers; no model is asked."""
    return {"status": "ok"}


@router.get("/health/readiness")
async def readiness(http: HttpRequest) -> Response:
    """200 while every slot is up, else 503."""
    slots = context_of(http).pool.snapshot()["slots"]
    down = [slot["id"] for slot in slots if not slot["up"]]
    body = {"status": "not ready" if down else "ready", "slots_down": down}
    return JSONResponse(body, 503 if down else 200)


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


@router.get("/metrics")
async def metrics(http: HttpRequest) -> Response:
    """Prometheus' exposition format."""
    return Response(context_of(http).metrics.text(), media_type="text/plain; version=0.0.4")
