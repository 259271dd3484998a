"""What the configuration says about an expert: one pydantic model per kind."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator

from experts.components import is_own_class
from experts.keys import Keys
from experts.mistakes import OWN_CLASS
from experts.persona import Sampling

Task = Literal["generate", "embed"]
Capability = Literal[
    "chat", "completions", "embeddings", "streaming", "tools", "json", "logprobs", "vision"
]
_TASK = (
    "What it is asked for: `generate`, answers; `embed`, embeddings alone (/v1/embeddings), so that"
    " no router or panel asks it."
)


class ExpertSpecBase(Keys):
    """Fields that every kind of expert has."""

    hosted: ClassVar[bool] = False
    """Whether one of our slots runs it (or somebody else's server does)."""

    about: str = Field("", description="What the expert is good at, in a sentence.")
    price_usd_per_mtok: float = Field(
        0.0, ge=0, description="Price of a million tokens, in US dollars."
    )
    system: str | None = Field(
        None,
        min_length=1,
        description="A system prompt of the expert, put before the client's own system message, in"
        " the same message; plain completions have none.",
    )
    defaults: Sampling = Field(
        Sampling(),
        description="How the expert samples where the client does not say; the client's own values"
        " count before these.",
    )
    images: bool | None = Field(
        None,
        description="Whether it takes images; null: as the model's files say to vLLM, and for every"
        " other kind of expert no. Compositions ask nobody else where a request has any.",
    )
    max_in_flight: int = Field(
        256,
        ge=1,
        description="Requests that this expert answers at once; further ones wait in its queue.",
    )
    max_queued: int = Field(
        4096, ge=0, description="Requests that may wait for this expert; further ones get HTTP 503."
    )

    @property
    def embeds(self) -> bool:
        """Whether it gives embeddings, and no answers."""
        return False


class HostedSpec(ExpertSpecBase):
    """A model that one of our slots runs."""

    hosted: ClassVar[bool] = True

    model: str = Field(description="A folder with weights (relative to this file), or a hub id.")
    memory_gb: float | None = Field(
        None,
        gt=0,
        description="Memory that it takes in a slot, in GiB; null: measured at the first load.",
    )
    preload: bool = Field(False, description="Load it when the service starts.")
    pin: bool = Field(False, description="Never evict it; it is loaded when the service starts.")
    max_idle_s: float | None = Field(
        None,
        gt=0,
        description="Unload it after this many seconds without a request; null: never for that.",
    )

    @property
    def base(self) -> str | None:
        """The expert whose engine serves this one; None where it has its own."""
        return None


class VllmSpec(HostedSpec):
    """A model that vLLM serves in one of our slots."""

    # The configuration gives an expert that shares another's engine that one's model.
    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].remove("model"))

    type: Literal["vllm"] = Field(description="vLLM, in one of our slots.")
    adapter_of: str | None = Field(
        None, description="The expert whose engine serves this one as a LoRA adapter."
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict,
        description="Engine arguments of vLLM, passed on unchanged; those that"
        " Coterie sets itself are refused.",
    )
    task: Task = Field("generate", description=_TASK)

    same_as: str | None = Field(
        None,
        description="The expert whose engine and weights this one shares, in place of `model`: the"
        " same model in another role, with its own `system` and `defaults`, loaded once.",
    )

    @property
    def base(self) -> str | None:
        return self.adapter_of or self.same_as

    @property
    def embeds(self) -> bool:
        return self.task == "embed"


class TorchSpec(HostedSpec):
    """A fused expert whose members have different tokenizers; slower than one in vLLM."""

    type: Literal["torch"] = Field(description="Our engine in plain torch, in one of our slots.")
    max_num_seqs: int = Field(
        8, ge=1, description="Requests that are generated together; further ones wait."
    )


_OPERATIONS = ("/completions", "/embeddings", "/responses")


class OpenAISpec(ExpertSpecBase):
    """Any OpenAI-compatible server."""

    type: Literal["openai"] = Field(description="A server that speaks OpenAI's protocol.")
    base_url: str = Field(description="The server's URL up to, and without, /chat/completions.")
    model: str = Field(description="The model's name on that server.")
    api_key: str | None = Field(
        None, description="The API key for that server, usually ${env:NAME}.", repr=False
    )
    timeout_s: float = Field(
        600.0, gt=0, description="Longest silence of the server that is waited out, in seconds."
    )
    traced: bool = Field(
        False,
        description="Whether the server is told the trace that a request belongs to (`traceparent`"
        " and `tracestate`).",
    )
    max_model_len: int | None = Field(
        None,
        ge=1,
        description="Tokens of its context, as /v1/models tells; null: asked of the server.",
    )
    capabilities: list[Capability] | None = Field(
        None,
        description="What it can do, as /v1/models tells; null: chat and streaming, of which any"
        " such server is capable. Nothing else depends on it.",
    )
    task: Task = Field("generate", description=_TASK)

    @property
    def embeds(self) -> bool:
        return self.task == "embed"

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if not _names_a_host(value):
            raise ValueError("must be http://HOST:PORT/PATH, with a port from 1 to 65535, if any")
        value = value.rstrip("/")
        if value.endswith(_OPERATIONS):
            raise ValueError("must be the URL up to, and without, /chat/completions")
        return value


class ReplaySpec(ExpertSpecBase):
    """Recorded answers of a model to questions that are known: for evaluation."""

    type: Literal["replay"] = Field(description="Recorded answers.")
    recording: str = Field(
        description="Path prefix of PREFIX_queries.parquet and PREFIX_responses.parquet."
    )
    model: str = Field(description="The model's name in the tables.")


class OwnSpec(ExpertSpecBase):
    """An expert behind an engine of one's own, a class from outside the repository.

    The keys beside those of every expert are the engine's: `experts/own_engines.py` parses them.
    """

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        pattern=":", description="The engine's class, as my_package.my_module:MyEngine."
    )

    @property
    def keys(self) -> Mapping[str, Any]:
        """The keys that the engine's `Config` knows."""
        return self.model_extra or {}

    def __repr_args__(self) -> Any:
        """The engine's keys are not shown: one may be secret."""
        return [(name, value) for name, value in super().__repr_args__() if name not in self.keys]


def _names_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # A port or an address that is none.
        return False


def _tag(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return OWN_CLASS if is_own_class(kind) else kind


# A new kind of expert is one class above, and one line here.
ExpertSpec = Annotated[
    Annotated[VllmSpec, Tag("vllm")]
    | Annotated[TorchSpec, Tag("torch")]
    | Annotated[OpenAISpec, Tag("openai")]
    | Annotated[ReplaySpec, Tag("replay")]
    | Annotated[OwnSpec, Tag(OWN_CLASS)],
    Discriminator(_tag),
]
