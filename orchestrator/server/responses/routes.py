"""OpenAI's endpoint /v1/responses: nothing is kept from one request to the next."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from orchestrator.server.bodies.agents.response_items import HOSTED
from orchestrator.server.bodies.agents.responses import ResponsesBody
from orchestrator.server.bodies.objects import parse_object
from orchestrator.server.context import context_of, read_body, request_id_of
from orchestrator.server.direct import DirectRoute
from orchestrator.server.openai_routes import asked_of, relayed
from orchestrator.server.openapi import endpoints
from orchestrator.server.responses.answering import ResponsesDialect
from orchestrator.server.responses.reading import chat_of
from orchestrator.server.schemas import parse_body, validated

tokens_router = APIRouter(tags=["openai"], route_class=DirectRoute)
_REPEATED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What an answer repeats of its request, and what it says where that had nothing."""
_NEVER = {"background": False, "previous_response_id": None, "store": False}


@tokens_router.post("/v1/responses", openapi_extra=endpoints.RESPONSES)
async def responses(http: HttpRequest) -> Response:
    """An answer of an expert or a composition, as the Responses API has it, streamed or whole."""
    body = parse_object(await read_body(http, context_of(http).config.server.max_body_mb))
    extension = body.pop("coterie", None)
    chat, tools = chat_of(read := validated(ResponsesBody, body))
    whole = {**chat, "model": read.model, "coterie": extension}
    asked = asked_of(http, *parse_body(whole, "chat/completions", request_id_of(http)))
    return await relayed(http, asked, ResponsesDialect(asked, repeated(body), tools))


def repeated(body: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer has of its request: of the tools, those that the expert was offered."""
    found = {
        name: other if body.get(name) is None else body[name] for name, other in _REPEATED.items()
    }
    found["tools"] = [tool for tool in found["tools"] if not tool["type"].startswith(HOSTED)]
    return found | _NEVER
