"""What administrators ask of the configuration: reload it, add an expert, tell which one runs."""

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest

from experts.errors import ConfigError, ReloadRefused, RequestError
from orchestrator.server.auth import require_admin
from orchestrator.server.bodies.reload import (
    ConfigStatus,
    ExpertAdded,
    ExpertBody,
    ReloadBody,
    ReloadTold,
)
from orchestrator.server.context import Context, context_of, read_body
from orchestrator.server.openapi import endpoints
from orchestrator.server.reload.reloads import Reloads
from orchestrator.server.schemas import parse_object, validated

router = APIRouter(prefix="/coterie", tags=["configuration"])
UNTIL = "the next reload of the file, or a restart: write it into the file to keep it"


@router.post("/reload", openapi_extra=endpoints.RELOAD_CONFIG)
async def reload(http: HttpRequest) -> ReloadTold:
    """Take over what the configuration's file says now; with mistakes in it, nothing changes."""
    context = _administered(http)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(ReloadBody, parse_object(raw or b"{}"))
    try:
        outcome = await _reloads(http).reload(dry_run=body.dry_run)
    except ConfigError as error:
        raise _in_words(error) from error
    siblings = context.telemetry.siblings
    if siblings is not None and not body.dry_run:
        siblings.reload()
    return {
        "result": outcome.result,
        "generation": outcome.generation,
        "difference": list(outcome.difference),
        "warnings": list(outcome.warnings),
    }


@router.post("/experts", openapi_extra=endpoints.NEW_EXPERT)
async def add_expert(http: HttpRequest) -> ExpertAdded:
    """Add one expert, load it, and tell what the routers think of it."""
    context = _administered(http)
    # A page of another origin cannot send this without asking; without keys, it is on this machine.
    if not http.headers.get("content-type", "").startswith("application/json"):
        raise RequestError("An expert is added with `content-type: application/json`.")
    if context.telemetry.siblings is not None:
        raise ReloadRefused(
            "The other workers of this service would not have the expert.",
            hint="Write it into the file, and reload.",
        )
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(ExpertBody, parse_object(raw))
    try:
        added = await _reloads(http).add_expert(body.name, body.keys)
    except ConfigError as error:
        raise _in_words(error) from error
    return {
        "expert": body.name,
        "generation": added.outcome.generation,
        "resident": added.resident,
        "until": UNTIL,
        "compositions": list(added.compositions),
        "warnings": list(added.outcome.warnings),
    }


@router.get("/config", openapi_extra=endpoints.CONFIG)
async def config(http: HttpRequest) -> ConfigStatus:
    """Which configuration runs, since when, and what became of the last reload."""
    _administered(http)
    return _reloads(http).status()


def _administered(http: HttpRequest) -> Context:
    context = context_of(http)
    require_admin(context.keys, http.scope)
    return context


def _reloads(http: HttpRequest) -> Reloads:
    reloads: Reloads | None = http.app.state.reloads
    if reloads is None:
        raise ReloadRefused("This service does not reload.")
    return reloads


def _in_words(error: ConfigError) -> RequestError:
    """Every mistake in one message."""
    return RequestError(" ".join((error.message, *error.problems)), hint=error.hint)
