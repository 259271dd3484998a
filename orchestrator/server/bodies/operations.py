"""The bodies of chat completions and of completions, and of all operations by name."""

from typing import Any

from pydantic import ConfigDict, Field, field_validator

from experts.types import Operation
from orchestrator.server.bodies.embeddings import EmbeddingsBody
from orchestrator.server.bodies.sampling import (
    INT64,
    Count,
    CountOrAll,
    Flag,
    Object,
    SamplingBody,
    Strict,
    Text,
)

Positive = Field(None, ge=1, lt=INT64)


class Message(Strict):
    """A message: its role, and the text that routers read; the rest is the engine's business."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: Any = None

    @field_validator("content")
    @classmethod
    def _is_content(cls, content: Any) -> Any:
        """A text, or parts of which the text ones have a text."""
        if isinstance(content, list):
            if not all(_is_part(part) for part in content):
                raise ValueError("must be a string or a list of parts with their texts")
        elif not isinstance(content, str | None):
            raise ValueError("must be a string or a list of parts")
        return content


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and (
        part.get("type") != "text" or isinstance(part.get("text"), str)
    )


class ChatBody(SamplingBody):
    """The body of /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Positive
    max_completion_tokens: int | None = Positive
    logprobs: Flag = None
    top_logprobs: CountOrAll | None = None
    tools: list[Object] | None = None
    tool_choice: str | Object | None = None
    parallel_tool_calls: Flag = None
    functions: list[Object] | None = None
    function_call: str | Object | None = None
    metadata: Object | None = None
    modalities: list[str] | None = None
    prediction: Object | None = None
    reasoning_effort: Text = None
    service_tier: Text = None
    store: Flag = None
    audio: Object | None = None
    verbosity: Text = None
    web_search_options: Object | None = None
    safety_identifier: Text = None
    prompt_cache_key: Text = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    moderation: Any = None
    add_generation_prompt: Flag = None
    continue_final_message: Flag = None
    documents: list[Object] | None = None
    chat_template: Text = None
    chat_template_kwargs: Object | None = None
    mm_processor_kwargs: Object | None = None
    media_io_kwargs: Object | None = None
    include_reasoning: Flag = None


class CompletionBody(SamplingBody):
    """The body of /v1/completions."""

    prompt: Any = None
    prompt_embeds: str | list[str] | None = None
    suffix: Text = None
    max_tokens: Count | None = None
    logprobs: CountOrAll | None = None

    @field_validator("prompt")
    @classmethod
    def _is_prompt(cls, prompt: Any) -> Any:
        """By hand: pydantic would report each member of the union."""
        if prompt is None or isinstance(prompt, str) or _are_ids(prompt):
            return prompt
        if isinstance(prompt, list) and prompt and _are_prompts(prompt):
            return prompt
        raise ValueError("must be a text, a list of token ids, or a list of either, none empty")


def _are_prompts(values: list[Any]) -> bool:
    return all(isinstance(one, str) for one in values) or all(map(_are_ids, values))


def _are_ids(value: Any) -> bool:
    """The ids of some tokens, of which there may be millions."""
    if not isinstance(value, list) or set(map(type, value)) != {int}:
        return False
    return bool(min(value) >= 0 and max(value) < INT64)


BODIES: dict[Operation, type[Strict]] = {
    "chat/completions": ChatBody,
    "completions": CompletionBody,
    "embeddings": EmbeddingsBody,
}
