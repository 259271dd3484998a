"""What administrators ask of keys: make one, list them, revoke one."""

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest

from experts.errors import RequestError
from orchestrator.config.keys.checks import unknown_models
from orchestrator.config.keys.section import KeyTerms
from orchestrator.keys.book import terms_of
from orchestrator.keys.listing import listed
from orchestrator.server.auth import require_admin
from orchestrator.server.bodies.keys import KeyBody, KeyList, KeyMade, KeyRevoked
from orchestrator.server.classes import check_class
from orchestrator.server.context import Context, context_of, read_body
from orchestrator.server.openapi import endpoints
from orchestrator.server.schemas import parse_object, validated

router = APIRouter(prefix="/coterie/keys", tags=["keys"])


@router.post("", openapi_extra=endpoints.NEW_KEY)
async def create(http: HttpRequest) -> KeyMade:
    """Make a key, and tell it this once; only its hash is kept."""
    context = _administered(http)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = validated(KeyBody, parse_object(raw))
    check_class(context.config, body.request_class)
    known = [*context.config.experts, *context.config.compositions]
    if problems := unknown_models(body.models, known):
        raise RequestError(f"models: {' '.join(problems)}", param="models")
    secret = await context.keys.create(body.name, KeyTerms.model_validate(terms_of(body)))
    return {"name": body.name, "key": secret}


@router.get("", openapi_extra=endpoints.KEYS)
async def keys(http: HttpRequest) -> KeyList:
    """Every key, revoked ones too; none of them itself, nor its hash."""
    context = _administered(http)
    return {"keys": listed(context.config.server.api_keys, await context.keys.stored())}


@router.delete("/{name}", openapi_extra=endpoints.KEY_REVOKED)
async def revoke(http: HttpRequest, name: str) -> KeyRevoked:
    """Let a key open nothing any more; other gateways on the same store follow within seconds."""
    context = _administered(http)
    await context.keys.revoke(name)
    return {"name": name, "revoked": True}


def _administered(http: HttpRequest) -> Context:
    context = context_of(http)
    require_admin(context.keys, http.scope)
    return context
