"""The bodies of Anthropic's /v1/messages and /v1/messages/count_tokens."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from orchestrator.server.bodies.agents.tagged import LIST, TEXT, text_or_list, type_of
from orchestrator.server.bodies.sampling import (
    Count,
    Flag,
    Object,
    Positive,
    Stops,
    Strict,
    Text,
)

_Name = Annotated[str, Field(min_length=1)]


class Cached(Strict):
    """What may be marked for Anthropic's cache; engines keep prefixes by themselves."""

    cache_control: Object | None = None
    """Anthropic's; without a meaning here."""


class TextBlock(Cached):
    """A text."""

    type: Literal["text"]
    text: str
    citations: list[Any] | None = None
    """Anthropic's; without a meaning here."""


class Base64Image(Strict):
    """An image in the body."""

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: _Name


class UrlImage(Strict):
    """An image at an address."""

    type: Literal["url"]
    url: _Name


class ImageBlock(Cached):
    """An image, for experts that take them."""

    type: Literal["image"]
    source: Annotated[
        Annotated[Base64Image, Tag("base64")] | Annotated[UrlImage, Tag("url")],
        Discriminator(type_of),
    ]
    transformations: Object | None = None
    """Anthropic's; without a meaning here."""


class ToolUseBlock(Cached):
    """A call that the assistant has made."""

    type: Literal["tool_use"]
    id: _Name
    name: _Name
    input: Object
    caller: Object | None = None
    """Anthropic's; without a meaning here."""
    toolset_name: Text = None
    """Anthropic's; without a meaning here."""


_Shown = Annotated[
    Annotated[TextBlock, Tag("text")] | Annotated[ImageBlock, Tag("image")],
    Discriminator(type_of),
]


class ToolResultBlock(Cached):
    """What came of a call."""

    type: Literal["tool_result"]
    tool_use_id: _Name
    content: (
        Annotated[
            Annotated[str, Tag(TEXT)] | Annotated[list[_Shown], Tag(LIST)],
            Discriminator(text_or_list),
        ]
        | None
    ) = None
    is_error: Flag = None
    toolset_name: Text = None
    """Anthropic's; without a meaning here."""


class ThinkingBlock(Cached):
    """Reasoning that is sent back; the experts do not read it again."""

    type: Literal["thinking"]
    thinking: str
    signature: Text = None


class RedactedThinkingBlock(Cached):
    """Reasoning that nobody can read."""

    type: Literal["redacted_thinking"]
    data: str


_Block = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[RedactedThinkingBlock, Tag("redacted_thinking")],
    Discriminator(type_of),
]
System = Annotated[
    Annotated[str, Tag(TEXT)] | Annotated[list[TextBlock], Tag(LIST)], Discriminator(text_or_list)
]


class AnthropicMessage(Strict):
    """A message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[
        Annotated[str, Tag(TEXT)] | Annotated[list[_Block], Tag(LIST)],
        Discriminator(text_or_list),
    ]


class AnthropicTool(Cached):
    """A tool that the client runs."""

    type: Literal["custom"] | None = None
    name: _Name
    description: Text = None
    input_schema: Object
    strict: Flag = None
    defer_loading: Flag = None
    """Anthropic's: show the tool later; here it is shown at once."""
    eager_input_streaming: Flag = None
    """Anthropic's; without a meaning here."""
    input_examples: list[Object] | None = None
    """Anthropic's; without a meaning here."""
    allowed_callers: list[str] | None = None
    """Anthropic's; without a meaning here."""


class AnthropicToolChoice(Strict):
    """Whether a tool is called, or which."""

    type: Literal["auto", "any", "tool", "none"]
    name: Text = None
    """Of the tool, with the type `tool`."""
    disable_parallel_tool_use: Flag = None
    """At most one call at once."""


class JsonFormat(Strict):
    """JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: Annotated[Object, Field(alias="schema")]


class OutputConfig(Strict):
    """The form of the answer."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How long a reasoning model thinks."""
    format: JsonFormat | None = None
    """The form that the answer must have."""
    task_budget: Object | None = None
    """Anthropic's; without a meaning here."""


class Thinking(Strict):
    """Whether a reasoning model thinks; where it is on, the model has its own measure."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Positive | None = None
    """Anthropic's; without a meaning here: `max_tokens` bounds the whole."""
    display: Text = None
    """Anthropic's; without a meaning here."""


class UserRecord(Strict):
    """For the client's own records."""

    user_id: Text = None


class CountTokensBody(Strict):
    """The body of /v1/messages/count_tokens. Null stands for the absence of a field."""

    model: Text = None
    """An expert, or a composition of the pool."""
    messages: Annotated[list[AnthropicMessage], Field(min_length=1)]
    """The conversation, the oldest message first."""
    system: System | None = None
    """What the assistant is told before the conversation."""
    tools: list[AnthropicTool] | None = None
    """What the model may call; tools that Anthropic's servers run are not known."""
    tool_choice: AnthropicToolChoice | None = None
    """Whether a tool is called, or which."""
    thinking: Thinking | None = None
    """Whether a reasoning model thinks."""
    output_config: OutputConfig | None = None
    """The form of the answer."""
    cache_control: Object | None = None
    """Anthropic's; without a meaning here."""
    context_management: Object | None = None
    """Anthropic's: what is left out of long conversations; here, nothing is."""
    speed: Text = None
    """Anthropic's; without a meaning here."""
    user_profile_id: Text = None
    """Anthropic's; without a meaning here."""
    workspace_id: Text = None
    """Anthropic's; without a meaning here."""


class MessagesBody(CountTokensBody):
    """The body of /v1/messages. Null stands for the absence of a field."""

    max_tokens: Positive
    """The most tokens that are generated."""
    stream: Flag = None
    """Send the answer as server-sent events, piece by piece."""
    stop_sequences: Stops | None = None
    """Texts that end the answer; they are not part of it."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How far sampling strays from the likeliest token; 0 does not."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Sample among the likeliest tokens that have this probability together."""
    top_k: Count | None = None
    """Sample among so many of the likeliest tokens; 0: among all."""
    metadata: UserRecord | None = None
    """Whose request it is."""
    service_tier: Text = None
    """Anthropic's; ours is the class in `coterie`."""
    inference_geo: Text = None
    """Anthropic's; without a meaning here."""
    diagnostics: Object | None = None
    """Anthropic's; without a meaning here."""
