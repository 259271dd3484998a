"""The items of a conversation in OpenAI's Responses API, and the tools it may call."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from orchestrator.server.bodies.agents.tagged import LIST, TEXT, text_or_list, type_of
from orchestrator.server.bodies.sampling import Flag, Object, Strict, Text

_Name = Annotated[str, Field(min_length=1)]
HOSTED = ("image_generation", "tool_search", "web_search")


class Lenient(Strict):
    """Beside these fields there may be others: what an answer has is sent back as it came."""

    model_config = ConfigDict(extra="allow")


class TextPart(Lenient):
    """A text."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class RefusalPart(Lenient):
    """What a model has said in place of an answer."""

    type: Literal["refusal"]
    refusal: str


class ImagePart(Lenient):
    """An image, for experts that take them."""

    type: Literal["input_image"]
    image_url: _Name
    """Its address, or a data URL; files are not kept."""
    detail: Literal["auto", "low", "high", "original"] | None = None


_Text = (
    Annotated[TextPart, Tag("input_text")]
    | Annotated[TextPart, Tag("output_text")]
    | Annotated[TextPart, Tag("text")]
)
_Part = Annotated[
    _Text | Annotated[RefusalPart, Tag("refusal")] | Annotated[ImagePart, Tag("input_image")],
    Discriminator(type_of),
]
_Shown = Annotated[_Text | Annotated[ImagePart, Tag("input_image")], Discriminator(type_of)]


class MessageItem(Lenient):
    """A message; its `type` may be left out."""

    type: Literal["message"] | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[
        Annotated[str, Tag(TEXT)] | Annotated[list[_Part], Tag(LIST)], Discriminator(text_or_list)
    ]


class FunctionCallItem(Lenient):
    """A call that the assistant has made."""

    type: Literal["function_call"]
    call_id: _Name
    name: _Name
    namespace: Text = None
    arguments: str
    """JSON."""


class CustomCallItem(Lenient):
    """A call of a tool that takes any text."""

    type: Literal["custom_tool_call"]
    call_id: _Name
    name: _Name
    namespace: Text = None
    input: str


class CallOutputItem(Lenient):
    """What came of a call."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: _Name
    output: Annotated[
        Annotated[str, Tag(TEXT)] | Annotated[list[_Shown], Tag(LIST)], Discriminator(text_or_list)
    ]


class ReasoningItem(Lenient):
    """Reasoning that is sent back; the experts do not read it again."""

    type: Literal["reasoning"]


def _item_type(value: Any) -> str | None:
    """A message may leave its type out."""
    if isinstance(value, dict) and value.get("type") is None and "role" in value:
        return "message"
    return type_of(value) or ("message" if isinstance(value, MessageItem) else None)


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[CallOutputItem, Tag("function_call_output")]
    | Annotated[CustomCallItem, Tag("custom_tool_call")]
    | Annotated[CallOutputItem, Tag("custom_tool_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")],
    Discriminator(_item_type),
]
Input = Annotated[
    Annotated[str, Tag(TEXT)] | Annotated[list[Item], Tag(LIST), Field(min_length=1)],
    Discriminator(text_or_list),
]


class FunctionTool(Lenient):
    """A function of the client."""

    type: Literal["function"]
    name: _Name
    description: Text = None
    parameters: Object | None = None
    """A JSON Schema."""
    strict: Flag = None


class CustomTool(Lenient):
    """A tool of the client that takes any text; a grammar for it is not held to."""

    type: Literal["custom"]
    name: _Name
    description: Text = None
    format: Object | None = None


class NamespaceTool(Lenient):
    """Tools of the client under a common name."""

    type: Literal["namespace"]
    name: _Name
    description: Text = None
    tools: list[
        Annotated[
            Annotated[FunctionTool, Tag("function")] | Annotated[CustomTool, Tag("custom")],
            Discriminator(type_of),
        ]
    ]


class HostedTool(Lenient):
    """A tool that OpenAI's servers run, and agents offer unasked: no expert is offered it."""

    type: Annotated[str, Field(pattern=f"^({'|'.join(HOSTED)})")]


def _tool_type(value: Any) -> str | None:
    """Web search comes in versions."""
    kind = type_of(value)
    if kind is None:
        return None
    return next((name for name in HOSTED if kind.startswith(name)), kind)


ToolUnion = Annotated[
    Annotated[FunctionTool, Tag("function")]
    | Annotated[CustomTool, Tag("custom")]
    | Annotated[NamespaceTool, Tag("namespace")]
    | Annotated[HostedTool, Tag("web_search")]
    | Annotated[HostedTool, Tag("image_generation")]
    | Annotated[HostedTool, Tag("tool_search")],
    Discriminator(_tool_type),
]


class NamedTool(Lenient):
    """One tool, by its name."""

    type: Literal["function", "custom"]
    name: _Name


class AllowedTools(Strict):
    """The only tools that may be called of those there are."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1)]
