"""OpenAI's endpoints over the whole pool: chat, completions, embeddings, models."""

import time

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from experts.errors import UnknownModel
from experts.types import EMBEDDINGS, Operation, Request
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.request.tracing.current import CURRENT, Current
from orchestrator.server.auth import caller_of
from orchestrator.server.bodies.answers import ModelCard, ModelList, ModelMetadata
from orchestrator.server.bodies.cache_control import as_headers_say
from orchestrator.server.bodies.embeddings import check_inputs
from orchestrator.server.bodies.extension import Extension
from orchestrator.server.classes import class_of
from orchestrator.server.context import (
    Context,
    context_of,
    identity_of,
    read_body,
    request_id_of,
)
from orchestrator.server.dialects.base import Dialect
from orchestrator.server.direct import DirectRoute
from orchestrator.server.keys.access import entry_of, require_model, unknown, visible
from orchestrator.server.keys.admission import admit
from orchestrator.server.openapi import endpoints
from orchestrator.server.relay import Relay
from orchestrator.server.schemas import parse

router = APIRouter(tags=["openai"])
tokens_router = APIRouter(tags=["openai"], route_class=DirectRoute)
STARTED = int(time.time())


@tokens_router.post("/v1/chat/completions", openapi_extra=endpoints.CHAT)
async def chat_completions(http: HttpRequest) -> Response:
    """A chat answer of an expert or a composition, streamed or whole."""
    return await relay(http, "chat/completions")


@tokens_router.post("/v1/completions", openapi_extra=endpoints.COMPLETION)
async def completions(http: HttpRequest) -> Response:
    """A text completion; echo, logprobs and token-id prompts reach the engine unchanged."""
    return await relay(http, "completions")


@tokens_router.post("/v1/embeddings", openapi_extra=endpoints.EMBEDDINGS)
async def embeddings(http: HttpRequest) -> Response:
    """Embeddings of texts or token ids, of an expert or of the encoder that the routers use."""
    return await relay(http, EMBEDDINGS)


async def relay(http: HttpRequest, operation: Operation, expert: str | None = None) -> Relay:
    """Validate, and hand over to the pipeline; `expert` overrides the model in the body."""
    context = context_of(http)
    raw = await read_body(http, context.config.server.max_body_mb)
    request, model, extension = parse(raw, operation, request_id_of(http), expert)
    if operation == EMBEDDINGS:
        check_inputs(request.body.get("input"), context.config.server.max_embedding_inputs)
    return await relayed(http, asked_of(http, request, model, extension))


async def relayed(
    http: HttpRequest, asked: RequestContext, dialect: Dialect | None = None
) -> Relay:
    """Hand a request over to the pipeline; `dialect` words the answer, by default as OpenAI.

    Raises LimitReached where the caller's key has not enough left for it.
    """
    context = context_of(http)
    await admit(http.scope, context.config, asked.model, asked.request)
    return Relay(context, asked, dialect)


def asked_of(
    http: HttpRequest, request: Request, model: str, extension: Extension
) -> RequestContext:
    """The request with what is known of it beside its body: its class, and whose it is.

    Raises UnknownModel for a model that the caller's key may not ask.
    """
    context = context_of(http)
    request_class = class_of(context.config, http.scope, extension.request_class, model)
    caller, options = caller_of(http.scope), extension.options
    if context.answers is not None:
        options = as_headers_say(options, http.headers.getlist("cache-control"))
    key_name = caller.name if caller is not None else None
    require_model(entry_of(http.scope), context.pipeline, model, options)
    identity = identity_of(http, context.telemetry.sample)
    if identity is not None:
        CURRENT.set(Current(request.id, identity.trace_id))
    return RequestContext(
        request,
        model,
        request_class,
        options,
        key_name,
        identity=identity,
        route=http.scope["route"].path_format,
    )


@router.get("/v1/models", openapi_extra=endpoints.MODELS)
async def models(http: HttpRequest) -> ModelList:
    """Every expert, every composition, and the embedding model."""
    return {"object": "list", "data": _cards(http)}


@router.get("/v1/models/{model:path}", openapi_extra=endpoints.ONE_MODEL)
async def model(http: HttpRequest, model: str) -> ModelCard:
    """One of them."""
    for card in _cards(http):
        if card["id"] == model:
            return card
    if (entry := entry_of(http.scope)) is not None and entry.terms.models is not None:
        raise unknown(model)
    raise UnknownModel(f"The model `{model}` does not exist.", param="model")


def _cards(http: HttpRequest) -> list[ModelCard]:
    """Those that exist for the caller."""
    cards = {card["id"]: card for card in model_cards(context_of(http))}
    return [cards[name] for name in visible(entry_of(http.scope), cards)]


def model_cards(context: Context) -> list[ModelCard]:
    """OpenAI's model objects; what is beyond them lies under `metadata`."""
    config, failed = context.config, context.pool.failed
    cards = [
        _card(name, "coterie", c.about, "composition") for name, c in config.compositions.items()
    ]
    for name, spec in config.experts.items():
        kind = "embedding" if spec.embeds else spec.type
        cards.append(_card(name, "coterie", spec.about, kind, failed.get(name)))
    return [*cards, _card(EMBEDDING_MODEL, "coterie", "sentence embeddings", "embedding")]


def _card(name: str, owner: str, about: str, kind: str, failed: str | None = None) -> ModelCard:
    """One model; `failed` says why it could not be loaded."""
    metadata: ModelMetadata = {"about": about, "type": kind}
    if failed is not None:
        metadata["failed"] = failed
    return {
        "id": name,
        "object": "model",
        "created": STARTED,
        "owned_by": owner,
        "metadata": metadata,
    }
