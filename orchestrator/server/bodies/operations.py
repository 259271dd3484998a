"""The bodies of chat completions and of completions, and of all operations by name."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, field_validator

from experts.types import Operation
from orchestrator.server.bodies.embeddings import EmbeddingsBody
from orchestrator.server.bodies.numbers import all_whole
from orchestrator.server.bodies.objects import some_required
from orchestrator.server.bodies.sampling import (
    INT64,
    Count,
    CountOrAll,
    Flag,
    Object,
    Positive,
    SamplingBody,
    Strict,
    Text,
)

_Ids = Annotated[list[Count], Field(min_length=1)]
MOST_RECORDS = 16
Records = Annotated[dict[str, str], Field(max_length=MOST_RECORDS)]
"""OpenAI has at most 16, and texts only."""
_Prompt = (
    str
    | Annotated[list[str], Field(min_length=1)]
    | _Ids
    | Annotated[list[_Ids], Field(min_length=1)]
    | None
)


class TextPart(Strict):
    """A part of a message that is text."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text"]
    text: str


class OtherPart(Strict):
    """A part that is something else, such as an image; what it has is the engine's business."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[Any, WithJsonSchema({"not": {"const": "text"}})] = None


class Message(Strict):
    """A message: its role, and the text that routers read; the rest is the engine's business."""

    model_config = ConfigDict(extra="allow")

    role: str
    """Who speaks: `system`, `user`, `assistant`, `tool`."""
    content: Any = None
    """What is said: a text, or parts."""

    # In the plain mode, which lets pydantic describe the types; it reads as they say.
    @field_validator(
        "content", mode="plain", json_schema_input_type=str | list[TextPart | OtherPart] | None
    )
    @classmethod
    def _is_content(cls, content: Any) -> Any:
        """By hand: pydantic would report each member of the unions."""
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
    """The conversation, the oldest message first."""
    max_tokens: Positive | None = None
    """The most tokens that are generated."""
    max_completion_tokens: Positive | None = None
    """The most tokens that are generated; OpenAI's newer name."""
    logprobs: Flag = None
    """Tell the log-probabilities of the answer's tokens."""
    top_logprobs: CountOrAll | None = None
    """For each token, tell so many of the likeliest; -1: all."""
    tools: list[Object] | None = None
    """What the model may call."""
    tool_choice: str | Object | None = None
    """Whether a tool is called, or which."""
    parallel_tool_calls: Flag = None
    """Allow several calls at once."""
    functions: list[Object] | None = None
    """The older form of `tools`."""
    function_call: str | Object | None = None
    """The older form of `tool_choice`."""
    metadata: Records | None = None
    """Names and values for the client's own records."""
    modalities: list[str] | None = None
    """What the answer consists of, such as text."""
    prediction: Object | None = None
    """A text that most of the answer is expected to be."""
    reasoning_effort: Text = None
    """How long a reasoning model thinks."""
    service_tier: Text = None
    """OpenAI's; ours is the class in `coterie`."""
    store: Flag = None
    """OpenAI's: keep the answer there."""
    audio: Object | None = None
    """How audio is to sound, where it is asked for."""
    verbosity: Text = None
    """How long the answer should be."""
    web_search_options: Object | None = None
    """OpenAI's: how the web is searched."""
    safety_identifier: Text = None
    """A pseudonym of the user."""
    prompt_cache_key: Text = None
    """Requests with the same one have a beginning in common."""
    prompt_cache_options: Any = None
    """OpenAI's: how prompts are cached."""
    prompt_cache_retention: Any = None
    """OpenAI's: for how long prompts are cached."""
    moderation: Any = None
    """OpenAI's: how the conversation is moderated."""
    add_generation_prompt: Flag = None
    """Let the chat template begin the assistant's turn."""
    continue_final_message: Flag = None
    """Go on with the last message instead of a new one."""
    documents: list[Object] | None = None
    """Texts for chat templates that take them."""
    chat_template: Text = None
    """A template in place of the model's own."""
    chat_template_kwargs: Object | None = None
    """Values for the chat template."""
    mm_processor_kwargs: Object | None = None
    """Arguments of the processor of images and audio."""
    media_io_kwargs: Object | None = None
    """How media are read."""
    include_reasoning: Flag = None
    """Send the reasoning, too."""


class CompletionBody(SamplingBody):
    """The body of /v1/completions."""

    model_config = ConfigDict(json_schema_extra=some_required("prompt", "prompt_embeds"))

    prompt: Any = None
    """One text or several, or their token ids; optional with `prompt_embeds`."""
    prompt_embeds: str | list[str] | None = None
    """The prompt as embeddings, in base64."""
    suffix: Text = None
    """The text that stands behind the completion."""
    max_tokens: Count | None = None
    """The most tokens that are generated."""
    logprobs: CountOrAll | None = None
    """For each token, tell so many of the likeliest; -1: all."""

    @field_validator("prompt", mode="plain", json_schema_input_type=_Prompt)
    @classmethod
    def _is_prompt(cls, prompt: Any) -> Any:
        """By hand: pydantic would report each member of the union."""
        prompt = all_whole(prompt)
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
