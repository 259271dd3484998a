"""One expert's own base path, /e/<expert>: what evaluation harnesses need of a single model."""

import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from experts.engine import HasEndpoints, Reply
from experts.errors import ExpertRefused, RequestError, UnknownModel
from experts.upstream.refusals import refusal
from orchestrator.server.classes import class_of
from orchestrator.server.context import Context, context_of, read_body, request_id_of
from orchestrator.server.direct import DirectRoute
from orchestrator.server.openai_routes import model_cards, relay
from orchestrator.server.schemas import parse_object

BAD_REQUEST = 400
NOT_FOUND = 404
router = APIRouter(prefix="/e/{expert}", tags=["expert"])
tokens_router = APIRouter(prefix="/e/{expert}", tags=["expert"], route_class=DirectRoute)


@tokens_router.post("/v1/chat/completions")
async def chat_completions(http: HttpRequest, expert: str) -> Response:
    """A chat answer of this expert, whatever model the body names."""
    _known(http, expert)
    return await relay(http, "chat/completions", expert)


@tokens_router.post("/v1/completions")
async def completions(http: HttpRequest, expert: str) -> Response:
    """A completion of this expert; harnesses ask for likelihoods with echo and logprobs."""
    _known(http, expert)
    return await relay(http, "completions", expert)


@tokens_router.post("/v1/embeddings")
async def embeddings(http: HttpRequest, expert: str) -> Response:
    """Embeddings of this expert, where it is one that gives them."""
    _known(http, expert)
    return await relay(http, "embeddings", expert)


@router.get("/v1/models")
async def models(http: HttpRequest, expert: str) -> dict[str, Any]:
    """The expert as the only model."""
    context = _known(http, expert)
    cards = [card for card in model_cards(context) if card["id"] == expert]
    return {"object": "list", "data": cards}


@router.post("/tokenize")
async def tokenize(http: HttpRequest, expert: str) -> Response:
    """Text or messages to token ids."""
    return await _pass_on(http, expert, "tokenize")


@router.post("/detokenize")
async def detokenize(http: HttpRequest, expert: str) -> Response:
    """Token ids to text."""
    return await _pass_on(http, expert, "detokenize")


@router.get("/tokenizer_info")
async def tokenizer_info(http: HttpRequest, expert: str) -> Response:
    """The tokenizer's configuration and chat template."""
    return await _pass_on(http, expert, "tokenizer_info")


@router.get("/version")
async def version(http: HttpRequest, expert: str) -> Response:
    """The version of the engine."""
    return await _pass_on(http, expert, "version")


@router.get("/openapi.json")
async def openapi(http: HttpRequest, expert: str) -> Response:
    """The engine's own OpenAPI document."""
    return await _pass_on(http, expert, "openapi.json")


@router.get("/health")
async def health(http: HttpRequest, expert: str) -> dict[str, str]:
    """Whether this expert is configured; loads nothing."""
    _known(http, expert)
    return {"status": "ok"}


@router.get("/health/readiness")
async def readiness(http: HttpRequest, expert: str) -> Response:
    """200 while the expert would answer without a load, else 503; loads nothing."""
    ready = _known(http, expert).pool.expert_url(expert) is not None
    return JSONResponse({"status": "ready" if ready else "not resident"}, 200 if ready else 503)


def _known(http: HttpRequest, expert: str) -> Context:
    context = context_of(http)
    if expert not in context.config.experts:
        raise UnknownModel(
            f"There is no expert `{expert}`.",
            hint=f"Experts: {', '.join(context.config.experts)}.",
            param="expert",
        )
    return context


async def _pass_on(http: HttpRequest, expert: str, path: str) -> Response:
    """The same call to the engine, which is loaded for it if need be."""
    context = _known(http, expert)
    raw = await read_body(http, context.config.server.max_body_mb)
    request_class = class_of(context.config, http.scope, None, expert)
    with await context.pool.lease(expert, request_class) as lease:
        if not isinstance(lease.engine, HasEndpoints):
            raise RequestError(f"Expert {expert} has no server that offers /{path}.")
        body = parse_object(raw) if raw else None
        reply = await lease.engine.call(http.method, path, body)
    if reply.status == NOT_FOUND:
        raise RequestError(f"Expert {expert} does not offer /{path}.")
    if reply.status >= BAD_REQUEST:
        raise _refusal(expert, reply)
    headers = {
        "content-type": reply.content_type,
        "x-request-id": request_id_of(http),
        "x-coterie-expert": expert,
    }
    return Response(reply.content, reply.status, headers)


def _refusal(expert: str, reply: Reply) -> ExpertRefused:
    """The engine's own error, so that it leaves in OpenAI's shape."""
    try:
        said = json.loads(reply.content)
    except (ValueError, RecursionError):
        said = None
    told = (said.get("error") or said) if isinstance(said, dict) else None
    return refusal(expert, reply.status, told or {})
