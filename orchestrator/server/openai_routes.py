"""OpenAI's endpoints over the whole pool that experts answer: chat, completions, embeddings."""

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from experts.types import EMBEDDINGS, Operation, Request
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.current import CURRENT, Current
from orchestrator.server.auth import caller_of
from orchestrator.server.bodies.cache_control import as_headers_say
from orchestrator.server.bodies.embeddings import check_inputs
from orchestrator.server.bodies.extension import Extension
from orchestrator.server.classes import class_of, refuse_overload, timeout_of
from orchestrator.server.context import (
    context_of,
    identity_of,
    read_body,
    request_id_of,
)
from orchestrator.server.dialects.base import Dialect
from orchestrator.server.direct import DirectRoute
from orchestrator.server.keys.access import entry_of, require_model
from orchestrator.server.keys.admission import METERED, admit
from orchestrator.server.openapi import endpoints
from orchestrator.server.relay import Relay
from orchestrator.server.schemas import parse

tokens_router = APIRouter(tags=["openai"], route_class=DirectRoute)


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
    if METERED in http.scope:
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
    refuse_overload(context.config, request_class, context.metrics.in_flight)
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
        timeout_s=timeout_of(context.config, options),
    )
