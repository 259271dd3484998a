"""What the gateway answers in Anthropic's Messages API, as types."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from orchestrator.request.tracing.presentation import Told

_OURS = ConfigDict(extra="forbid")


@with_config(_OURS)
class AnthropicError(TypedDict):
    """What went wrong, in Anthropic's words; `param`, `code` and `source` are beyond them."""

    type: str
    message: str
    param: Annotated[str | None, Field(description="The field that is wrong.")]
    code: Annotated[str | None, Field(description="A stable name of the error.")]
    source: Annotated[str, Field(description="Whose error it is: `coterie`, or an expert.")]


@with_config(_OURS)
class AnthropicErrorBody(TypedDict):
    """Every error, whole or as the event that ends a stream."""

    type: Literal["error"]
    error: AnthropicError
    request_id: str


@with_config(_OURS)
class AnthropicUsage(TypedDict):
    """The tokens that an answer cost; those of the prompt are counted once."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int


@with_config(_OURS)
class AnthropicAnswer(TypedDict):
    """A whole message."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: Annotated[
        list[dict[str, Any]], Field(description="Blocks: `text`, `thinking`, `tool_use`.")
    ]
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]
    stop_sequence: str | None
    usage: AnthropicUsage
    coterie: Told


class AnthropicEvent(TypedDict):
    """An event of a streamed message."""

    type: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    ]


@with_config(_OURS)
class TokenCount(TypedDict):
    """How many tokens a conversation has."""

    input_tokens: int
