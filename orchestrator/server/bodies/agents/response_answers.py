"""What the gateway answers in OpenAI's Responses API, as types."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from orchestrator.request.tracing.presentation import Told


class CachedTokens(TypedDict):
    """Of the prompt: those that were not computed anew."""

    cached_tokens: int
    cache_write_tokens: int


class ReasoningTokens(TypedDict):
    """Of the answer: those of its reasoning, where the expert counts them."""

    reasoning_tokens: int


class ResponseUsage(TypedDict):
    """The tokens that an answer cost."""

    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


class ResponseObject(TypedDict):
    """A whole answer; beside these, it repeats what was asked for."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    model: str
    output: Annotated[
        list[dict[str, Any]],
        Field(description="Items: `reasoning`, `message`, `function_call`, `custom_tool_call`."),
    ]
    usage: ResponseUsage | None
    incomplete_details: dict[str, str] | None
    error: dict[str, Any] | None
    coterie: Told


class ResponseEvent(TypedDict):
    """An event of a streamed answer; its `type` says what it is about."""

    type: str
    sequence_number: int
