"""One expert's own base path, /e/<expert>: what evaluation harnesses need of a single model."""

import asyncio
import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from experts.engine import HasEndpoints, Reply
from experts.errors import ExpertRefused, RequestError, UnknownModel
from experts.upstream.refusals import refusal
from orchestrator.request.context import NO_OPTIONS
from orchestrator.server.bodies.answers import ModelList, Status
from orchestrator.server.bodies.numbers import with_whole_numbers
from orchestrator.server.bodies.objects import parse_object, said
from orchestrator.server.bodies.sampling import Strict
from orchestrator.server.bodies.tokenizer import DetokenizeBody, TokenizeBody
from orchestrator.server.classes import class_of
from orchestrator.server.context import Context, context_of, read_body, request_id_of
from orchestrator.server.direct import DirectRoute
from orchestrator.server.keys.access import entry_of, require_model, visible
from orchestrator.server.keys.admission import admit
from orchestrator.server.models.cards import model_cards
from orchestrator.server.openai_routes import relay
from orchestrator.server.openapi import endpoints
from orchestrator.server.openapi.document import Documents
from orchestrator.server.schemas import validated

BAD_REQUEST = 400
NOT_FOUND = 404
ENGINES_PATHS = ("/tokenize", "/detokenize", "/tokenizer_info", "/version")
"""What an expert has only where its engine is a server."""
ANSWERING_PATHS = ("/v1/chat/completions", "/v1/completions")
EMBEDDING_PATHS = ("/v1/embeddings",)
"""An expert gives answers or embeddings."""
router = APIRouter(prefix="/e/{expert}", tags=["expert"])
tokens_router = APIRouter(prefix="/e/{expert}", tags=["expert"], route_class=DirectRoute)


@tokens_router.post("/v1/chat/completions", openapi_extra=endpoints.EXPERT_CHAT)
async def chat_completions(http: HttpRequest, expert: str) -> Response:
    """A chat answer of this expert, whatever model the body names."""
    _known(http, expert)
    return await relay(http, "chat/completions", expert)


@tokens_router.post("/v1/completions", openapi_extra=endpoints.EXPERT_COMPLETION)
async def completions(http: HttpRequest, expert: str) -> Response:
    """A completion of this expert; harnesses ask for likelihoods with echo and logprobs."""
    _known(http, expert)
    return await relay(http, "completions", expert)


@tokens_router.post("/v1/embeddings", openapi_extra=endpoints.EXPERT_EMBEDDINGS)
async def embeddings(http: HttpRequest, expert: str) -> Response:
    """Embeddings of this expert, where it is one that gives them."""
    _known(http, expert)
    return await relay(http, "embeddings", expert)


@router.get("/v1/models", openapi_extra=endpoints.EXPERT_MODELS)
async def models(http: HttpRequest, expert: str) -> ModelList:
    """The expert as the only model."""
    context = _known(http, expert)
    cards = [card for card in await model_cards(context) if card["id"] == expert]
    return {"object": "list", "data": cards}


@router.post("/tokenize", openapi_extra=endpoints.TOKENIZE)
async def tokenize(http: HttpRequest, expert: str) -> Response:
    """Text or messages to token ids."""
    return await _pass_on(http, expert, "tokenize", TokenizeBody)


@router.post("/detokenize", openapi_extra=endpoints.DETOKENIZE)
async def detokenize(http: HttpRequest, expert: str) -> Response:
    """Token ids to text."""
    return await _pass_on(http, expert, "detokenize", DetokenizeBody)


@router.get("/tokenizer_info", openapi_extra=endpoints.ENGINES_OWN)
async def tokenizer_info(http: HttpRequest, expert: str) -> Response:
    """The tokenizer's configuration and chat template."""
    return await _pass_on(http, expert, "tokenizer_info")


@router.get("/version", openapi_extra=endpoints.ENGINES_OWN)
async def version(http: HttpRequest, expert: str) -> Response:
    """The version of the engine."""
    return await _pass_on(http, expert, "version")


@router.get("/openapi.json", openapi_extra=endpoints.EXPERT_DOCUMENT)
async def openapi(http: HttpRequest, expert: str) -> Response:
    """The document of this path: what is passed on to the expert, and nothing else."""
    context = _known(http, expert)
    documents: Documents = http.app.state.documents
    served = context.pool.has_endpoints(expert)
    embeds = context.config.experts[expert].embeds
    without = (
        *(() if served else ENGINES_PATHS),
        *(ANSWERING_PATHS if embeds else EMBEDDING_PATHS),
    )
    return JSONResponse(await asyncio.to_thread(documents.of_expert, expert, without))


@router.get("/health", openapi_extra=endpoints.EXPERT_HEALTH)
async def health(http: HttpRequest, expert: str) -> Status:
    """Whether this expert is configured; loads nothing."""
    _known(http, expert)
    return {"status": "ok"}


@router.get("/health/readiness", openapi_extra=endpoints.EXPERT_READINESS)
async def readiness(http: HttpRequest, expert: str) -> Response:
    """200 while the expert would answer without a load, else 503; loads nothing."""
    ready = _known(http, expert).pool.expert_url(expert) is not None
    return JSONResponse({"status": "ready" if ready else "not resident"}, 200 if ready else 503)


def _known(http: HttpRequest, expert: str) -> Context:
    context, entry = context_of(http), entry_of(http.scope)
    require_model(entry, context.pipeline, expert, NO_OPTIONS)
    if expert not in context.config.experts:
        raise UnknownModel(
            f"There is no expert `{expert}`.",
            hint=f"Experts: {', '.join(visible(entry, context.config.experts))}.",
            param="expert",
        )
    return context


async def _pass_on(
    http: HttpRequest, expert: str, path: str, kind: type[Strict] | None = None
) -> Response:
    """The same call to the engine, which is loaded for it if need be; a body is checked before."""
    context = _known(http, expert)
    raw = await read_body(http, context.config.server.max_body_mb)
    body = _body(raw, kind) if kind is not None else None
    request_class = class_of(context.config, http.scope, None, expert)
    await admit(http.scope, context.config, expert, None)
    with await context.pool.lease(expert, request_class) as lease:
        if not isinstance(lease.engine, HasEndpoints):
            raise RequestError(f"Expert {expert} has no server that offers /{path}.")
        method = "GET" if http.method == "HEAD" else http.method  # Engines know no HEAD.
        reply = await lease.engine.call(method, path, body)
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


def _body(raw: bytes, kind: type[Strict]) -> dict[str, Any]:
    body = said(parse_object(raw))
    return with_whole_numbers(body, dict(validated(kind, body)))


def _refusal(expert: str, reply: Reply) -> ExpertRefused:
    """The engine's own error, so that it leaves in OpenAI's shape."""
    try:
        said = json.loads(reply.content)
    except (ValueError, RecursionError):
        said = None
    told = (said.get("error") or said) if isinstance(said, dict) else None
    return refusal(expert, reply.status, told or {})
