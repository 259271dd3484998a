"""What administrators ask of the configuration: reload it, add an expert, tell which one runs."""

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest

from experts.errors import ConfigError, NameTaken, ReloadRefused, RequestError
from orchestrator.server.bodies.reload import (
    ConfigStatus,
    ExpertAdded,
    ExpertBody,
    ExpertChecked,
    ReloadBody,
    ReloadTold,
    YamlBody,
)
from orchestrator.server.context import read_body
from orchestrator.server.openapi import endpoints
from orchestrator.server.reload.asking import administered, alone, in_words, reloads_of
from orchestrator.server.reload.fragment import one_expert
from orchestrator.server.schemas import parse_object, validated

router = APIRouter(prefix="/coterie", tags=["configuration"])
UNTIL = "the next reload of the file, or a restart: write it into the file to keep it"
WITHOUT = "would not have the expert"
"""What the other workers would do after an addition."""


@router.post("/reload", openapi_extra=endpoints.RELOAD_CONFIG)
async def reload(http: HttpRequest) -> ReloadTold:
    """Take over what the configuration's file says now; with mistakes in it, nothing changes."""
    context = administered(http)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(ReloadBody, parse_object(raw or b"{}"))
    try:
        outcome = await reloads_of(http).reload(dry_run=body.dry_run)
    except ConfigError as error:
        raise in_words(error) from error
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
    """Add one expert, load it, ask it probe questions, and tell what the routers think of it."""
    context = administered(http)
    # A page of another origin cannot send this without asking; without keys, it is on this machine.
    if not http.headers.get("content-type", "").startswith("application/json"):
        raise RequestError("An expert is added with `content-type: application/json`.")
    alone(context, WITHOUT)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(ExpertBody, parse_object(raw))
    try:
        added = await reloads_of(http).add_expert(body.name, body.keys, body.probes, hold=body.hold)
    except ConfigError as error:
        raise in_words(error) from error
    return {
        "expert": body.name,
        "generation": added.outcome.generation,
        "resident": added.resident,
        "until": UNTIL,
        "probed": added.probed,
        "held": added.held,
        "compositions": list(added.compositions),
        "warnings": list(added.outcome.warnings),
    }


@router.post("/experts/check", openapi_extra=endpoints.CHECK_EXPERT)
async def check_expert(http: HttpRequest) -> ExpertChecked:
    """Tell every mistake in the lines of one more expert, and what they would change.

    Also why this service would not add it, however right they are. Nothing changes.
    The lines are those of the configuration's file, with or without `experts:`.
    """
    context = administered(http)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(YamlBody, parse_object(raw))
    why = context.reaches_one(WITHOUT)
    refused = [] if why is None else [str(why)]
    try:
        name, keys = one_expert(body.yaml)
        found = await reloads_of(http).check_expert(name, keys)
    except (ConfigError, NameTaken, ReloadRefused) as error:
        problems = error.problems if isinstance(error, ConfigError) else ()
        told = [*(problems or [str(error)]), *refused]
        return {"ok": False, "problems": told, "expert": None, "keys": {}, "difference": []}
    return {
        "ok": not refused,
        "problems": refused,
        "expert": name,
        "keys": dict(keys),
        "difference": found,
    }


@router.get("/config", openapi_extra=endpoints.CONFIG)
async def config(http: HttpRequest) -> ConfigStatus:
    """Which configuration runs, since when, and what became of the last reload."""
    administered(http)
    return reloads_of(http).status()
