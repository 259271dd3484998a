"""The bodies of an expert's own tokenizer: text to token ids, and back."""

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from orchestrator.server.bodies.objects import some_required
from orchestrator.server.bodies.operations import Message
from orchestrator.server.bodies.sampling import Count, Flag, Object, Strict, Text


class TokenizeBody(Strict):
    """The body of tokenize: a text or a conversation; the rest is the engine's business."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra=some_required("prompt", "messages"),
    )

    prompt: Text = None
    """The text."""
    messages: list[Message] | None = Field(None, min_length=1)
    """The conversation, which the chat template turns into a text."""
    tools: list[Object] | None = None
    """Tools that the chat template tells of."""
    add_special_tokens: Flag = None
    """Add the tokenizer's special tokens."""
    return_token_strs: Flag = None
    """Tell the tokens' texts, too."""

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if self.prompt is None and self.messages is None:
            raise ValueError("`prompt` or `messages` is required")
        return self


class DetokenizeBody(Strict):
    """The body of detokenize."""

    model_config = ConfigDict(extra="allow")

    tokens: list[Count]
    """The token ids."""
