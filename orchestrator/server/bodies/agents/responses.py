"""The body of OpenAI's /v1/responses."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from orchestrator.server.bodies.agents.response_items import (
    AllowedTools,
    Input,
    Lenient,
    NamedTool,
    ToolUnion,
)
from orchestrator.server.bodies.agents.tagged import type_of
from orchestrator.server.bodies.operations import Records
from orchestrator.server.bodies.sampling import Count, Flag, Object, Positive, Strict, Text


class TextFormat(Lenient):
    """The form that the answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    name: Text = None
    json_schema: Annotated[Object | None, Field(alias="schema")] = None
    strict: Flag = None
    description: Text = None


class TextConfig(Strict):
    """How the text of the answer is to be."""

    format: TextFormat | None = None
    """The form that it must have."""
    verbosity: Text = None
    """How long it should be."""


class Reasoning(Lenient):
    """How a reasoning model thinks."""

    effort: Text = None
    """For how long."""
    summary: Text = None
    """OpenAI's; without a meaning here: all the reasoning is told."""


class ResponseStreamOptions(Strict):
    """How events are sent."""

    model_config = ConfigDict(extra="allow")

    include_obfuscation: Flag = None
    """OpenAI's: pad events to hide their lengths."""


def _choice_type(value: Any) -> str | None:
    if isinstance(value, str):
        return "mode"
    return "tool" if (kind := type_of(value)) in ("function", "custom") else kind


class ResponsesBody(Strict):
    """The body of /v1/responses. Null stands for the absence of a field."""

    model: Text = None
    """An expert, or a composition of the pool."""
    input: Input
    """A text of the user, or the items of the conversation, the oldest first."""
    instructions: Text = None
    """What the assistant is told before the conversation."""
    tools: list[ToolUnion] | None = None
    """What the model may call, of the client's; what OpenAI's servers run is not offered to it."""
    tool_choice: (
        Annotated[
            Annotated[Literal["none", "auto", "required"], Tag("mode")]
            | Annotated[NamedTool, Tag("tool")]
            | Annotated[AllowedTools, Tag("allowed_tools")],
            Discriminator(_choice_type),
        ]
        | None
    ) = None
    """Whether a tool is called, or which."""
    parallel_tool_calls: Flag = None
    """Allow several calls at once."""
    text: TextConfig | None = None
    """How the text of the answer is to be."""
    reasoning: Reasoning | None = None
    """How a reasoning model thinks."""
    max_output_tokens: Positive | None = None
    """The most tokens that are generated."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How far sampling strays from the likeliest token; 0 does not."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Sample among the likeliest tokens that have this probability together."""
    stream: Flag = None
    """Send the answer as server-sent events, piece by piece."""
    stream_options: ResponseStreamOptions | None = None
    """How events are sent."""
    include: list[str] | None = None
    """What else is told: here, `message.output_text.logprobs`; the rest is OpenAI's."""
    top_logprobs: Annotated[Count, Field(le=20)] | None = None
    """For each token, tell so many of the likeliest; with the logprobs in `include`."""
    metadata: Records | None = None
    """Names and values for the client's own records; they are in the answer, too."""
    user: Text = None
    """Whose request it is, for the engine's records."""
    truncation: Literal["auto", "disabled"] | None = None
    """OpenAI's: what becomes of too long conversations; here, they are refused."""
    store: Flag = None
    """OpenAI's: keep the answer there; here, nothing is kept."""
    previous_response_id: Text = None
    """OpenAI's: go on from an answer that was kept. Nothing is: only null."""
    conversation: str | Object | None = None
    """OpenAI's: go on with a conversation that was kept. Nothing is: only null."""
    background: Flag = None
    """OpenAI's: answer later. Only false; see /v1/batches."""
    prompt: Object | None = None
    """OpenAI's: a prompt that was kept. Nothing is: only null."""
    max_tool_calls: Positive | None = None
    """OpenAI's: the most calls of tools that it runs; here, none is run."""
    service_tier: Text = None
    """OpenAI's; ours is the class in `coterie`."""
    safety_identifier: Text = None
    """OpenAI's; without a meaning here."""
    prompt_cache_key: Text = None
    """OpenAI's; without a meaning here."""
    prompt_cache_options: Any = None
    """OpenAI's; without a meaning here."""
    prompt_cache_retention: Any = None
    """OpenAI's; without a meaning here."""
    context_management: Any = None
    """OpenAI's: what is left out of long conversations; here, nothing is."""
    moderation: Any = None
    """OpenAI's; without a meaning here."""
    client_metadata: Object | None = None
    """An agent's own records; without a meaning here."""
