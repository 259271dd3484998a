"""What the gateway answers, as types: its own objects, and what is sure of an expert's."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from experts.spec import Capability
from orchestrator.request.tracing.presentation import Told

_OURS = ConfigDict(extra="forbid")


@with_config(_OURS)
class Error(TypedDict):
    """What went wrong, in OpenAI's words."""

    message: str
    type: str
    param: Annotated[str | None, Field(description="The field that is wrong.")]
    code: Annotated[str | None, Field(description="A stable name of the error.")]
    source: Annotated[str, Field(description="Whose error it is: `coterie`, or an expert.")]


@with_config(_OURS)
class ErrorBody(TypedDict):
    """Every error, whole or as the event that ends a stream."""

    error: Error


class ModelMetadata(TypedDict):
    """What is beyond OpenAI's model object."""

    about: str
    type: Annotated[str, Field(description="`composition`, `embedding`, or the expert's type.")]
    failed: NotRequired[Annotated[str, Field(description="Why its last load failed.")]]


class ModelCard(TypedDict):
    """OpenAI's model object."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: NotRequired[
        Annotated[int, Field(description="Tokens of a prompt and its answer together, if known.")]
    ]
    context_length: NotRequired[
        Annotated[int, Field(description="The same number, under its other usual name.")]
    ]
    capabilities: Annotated[
        list[Capability],
        Field(description="What it can do, as far as is known; of a composition, whoever answers."),
    ]
    metadata: ModelMetadata


class ModelList(TypedDict):
    """Every model."""

    object: Literal["list"]
    data: list[ModelCard]


class Status(TypedDict):
    """One word on how it is."""

    status: str


class Readiness(Status):
    """Whether the service is ready, and what is not."""

    slots_down: list[str]
    experts_failed: list[str]


class Version(TypedDict):
    """A version."""

    version: str


class PoolState(TypedDict):
    """Slots with what is resident, engines with what they have cost, queues, and breakers."""

    slots: list[dict[str, Any]]
    loads: dict[str, dict[str, Any]]
    queued: dict[str, int]
    breakers: dict[str, dict[str, Any]]
    versions: dict[str, str]


class Reloaded(TypedDict):
    """A router that was built anew."""

    router: str
    warnings: list[str]


class Draining(TypedDict):
    """Whether the gateway is taken out, and how many requests all its workers still answer."""

    draining: bool
    in_flight: int


class Tolerant(BaseModel):
    """What an expert sends: beyond these fields, whatever its server has."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)


class TokenCounts(Tolerant):
    """The tokens that an answer cost."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class AnyAnswer(Tolerant):
    """What whole answers, and the events of streams, have in common."""

    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    """The model that was asked for; the expert that answered is in `coterie`."""
    usage: TokenCounts | None = None


class ChatMessage(Tolerant):
    """What the assistant says."""

    role: str | None = None
    content: str | list[Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class AnyChoice(Tolerant):
    """What the choices of all operations have in common."""

    index: int | None = None
    finish_reason: str | None = None
    """Why it ends; null while it does not."""
    logprobs: Any = None


class ChatChoice(AnyChoice):
    """One answer to a conversation."""

    message: ChatMessage


class ChatPiece(AnyChoice):
    """A piece of one answer."""

    delta: ChatMessage


class TextChoice(AnyChoice):
    """One completion, or a piece of one."""

    text: str


class ChatCompletion(AnyAnswer):
    """A whole answer to a conversation."""

    choices: list[ChatChoice] = Field(min_length=1)
    coterie: Told


class ChatCompletionChunk(AnyAnswer):
    """An event of a streamed answer; the one with the usage has no choices."""

    choices: list[ChatPiece]
    coterie: Told | None = None


class TextCompletion(AnyAnswer):
    """A whole completion."""

    choices: list[TextChoice] = Field(min_length=1)
    coterie: Told


class TextCompletionChunk(AnyAnswer):
    """An event of a streamed completion; the one with the usage has no choices."""

    choices: list[TextChoice]
    coterie: Told | None = None


class Embedding(Tolerant):
    """The embedding of one text."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    """Numbers, or in base64 little-endian floats of 32 bits."""


class EmbeddingList(Tolerant):
    """The embeddings of all texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: TokenCounts


class Tokens(Tolerant):
    """The ids of a text."""

    count: int
    tokens: list[int]


class Detokenized(Tolerant):
    """The text of ids."""

    prompt: str
