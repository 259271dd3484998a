"""Anthropic's endpoints: /v1/messages, and how many tokens a conversation has."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from orchestrator.server.bodies.agents.messages import CountTokensBody, MessagesBody
from orchestrator.server.bodies.objects import parse_object
from orchestrator.server.context import context_of, read_body, request_id_of
from orchestrator.server.direct import DirectRoute
from orchestrator.server.messages.answering import MessagesDialect
from orchestrator.server.messages.counting import count_tokens
from orchestrator.server.messages.reading import chat_of, prompt_of
from orchestrator.server.openai_routes import asked_of, relayed
from orchestrator.server.openapi import endpoints
from orchestrator.server.openapi.operations import ANTHROPIC
from orchestrator.server.schemas import parse_body, validated

tokens_router = APIRouter(tags=[ANTHROPIC], route_class=DirectRoute)
router = APIRouter(tags=[ANTHROPIC])


@tokens_router.post("/v1/messages", openapi_extra=endpoints.MESSAGES)
async def messages(http: HttpRequest) -> Response:
    """A message of an expert or a composition, as Anthropic's API has it, streamed or whole."""
    body, extension = await _read(http)
    chat = chat_of(read := validated(MessagesBody, body))
    whole = {**chat, "model": read.model, "coterie": extension}
    asked = asked_of(http, *parse_body(whole, "chat/completions", request_id_of(http)))
    return await relayed(http, asked, MessagesDialect(asked))


@router.post("/v1/messages/count_tokens", openapi_extra=endpoints.COUNT_TOKENS)
async def tokens(http: HttpRequest) -> Response:
    """How many tokens a conversation has, by the tokenizer of the expert that would be asked."""
    body, extension = await _read(http)
    chat = prompt_of(read := validated(CountTokensBody, body))
    whole = {**chat, "model": read.model, "coterie": extension}
    asked = asked_of(http, *parse_body(whole, "chat/completions", request_id_of(http)))
    expert, count = await count_tokens(context_of(http), asked)
    headers = {"x-request-id": asked.id, "x-coterie-expert": expert}
    return JSONResponse({"input_tokens": count}, headers=headers)


async def _read(http: HttpRequest) -> tuple[dict[str, Any], Any]:
    """The body, and our own field of it. Raises RequestError."""
    body = parse_object(await read_body(http, context_of(http).config.server.max_body_mb))
    return body, body.pop("coterie", None)
