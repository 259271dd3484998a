"""A request to /v1/responses as the chat that the pipeline takes. Pure."""

from collections.abc import Mapping
from typing import Any

from experts.errors import RequestError
from orchestrator.server.bodies.agents.responses import ResponsesBody
from orchestrator.server.responses.conversation import chat_messages
from orchestrator.server.responses.tools import Tool, choice_of, tools_of

PLACES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "logprobs": "include",
}
"""A field of a chat -> the client's own, where they are not called alike."""
LOGPROBS = "message.output_text.logprobs"
_KEPT = ("previous_response_id", "conversation", "prompt")


def chat_of(body: ResponsesBody) -> tuple[dict[str, Any], Mapping[str, Tool]]:
    """The body of the chat, and which tool of the client each of its functions is.

    Raises RequestError, with the place in the client's body.
    """
    _refuse_state(body)
    functions, known = tools_of(body)
    functions, choice = choice_of(body, functions)
    found: dict[str, Any] = {
        "messages": chat_messages(body),
        "tools": functions or None,
        "tool_choice": choice,
        "parallel_tool_calls": body.parallel_tool_calls if functions else None,
        "max_completion_tokens": body.max_output_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "user": body.user,
        "reasoning_effort": body.reasoning.effort if body.reasoning is not None else None,
        **_text(body),
        **_logprobs(body),
    }
    if body.stream:
        found |= {"stream": True, "stream_options": {"include_usage": True}}
    return {name: value for name, value in found.items() if value is not None}, known


def _refuse_state(body: ResponsesBody) -> None:
    """Nothing is kept from one request to the next."""
    for name in _KEPT:
        if getattr(body, name) is not None:
            raise RequestError(
                f"{name}: nothing is kept from one request to the next.",
                hint="Send the whole conversation as `input`.",
                param=name,
            )
    if body.background:
        raise RequestError(
            "background: an answer is given at once, or not at all.",
            hint="For answers that may come later, see /v1/batches.",
            param="background",
        )


def _text(body: ResponsesBody) -> dict[str, Any]:
    if body.text is None:
        return {}
    found: dict[str, Any] = {"verbosity": body.text.verbosity}
    wanted = body.text.format
    if wanted is not None and wanted.type == "json_object":
        found["response_format"] = {"type": "json_object"}
    elif wanted is not None and wanted.type == "json_schema":
        for name, value in (("name", wanted.name), ("schema", wanted.json_schema)):
            if not value and (name == "name" or value is None):
                place = f"text.format.{name}"
                raise RequestError(f"{place}: the type json_schema needs it.", param=place)
        told = {
            "name": wanted.name,
            "schema": wanted.json_schema,
            "strict": wanted.strict,
            "description": wanted.description,
        }
        said = {name: value for name, value in told.items() if value is not None}
        found["response_format"] = {"type": "json_schema", "json_schema": said}
    return found


def _logprobs(body: ResponsesBody) -> dict[str, Any]:
    if LOGPROBS in (body.include or ()):
        return {"logprobs": True, "top_logprobs": body.top_logprobs}
    if body.top_logprobs:
        raise RequestError(f"`top_logprobs` needs `{LOGPROBS}` in `include`.", param="top_logprobs")
    return {}
