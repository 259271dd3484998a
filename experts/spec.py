"""What the configuration says about an expert: one pydantic model per kind."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ExpertSpecBase(BaseModel):
    """Fields that every kind of expert has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hosted: ClassVar[bool] = False
    """Whether one of our slots runs it (or somebody else's server does)."""

    about: str = Field("", description="What the expert is good at, in a sentence.")
    price_usd_per_mtok: float = Field(0.0, ge=0, description="Price of a million tokens, in USD.")
    max_in_flight: int = Field(
        256, ge=1, description="Requests under way at once; more wait in the pool's queue."
    )
    max_queued: int = Field(
        4096, ge=0, description="Requests that may wait; further ones get HTTP 429."
    )


class HostedSpec(ExpertSpecBase):
    """A model that one of our slots runs."""

    hosted: ClassVar[bool] = True

    model: str = Field(description="A path (relative to the file) or a hub id.")
    memory_gb: float | None = Field(
        None, gt=0, description="Memory it takes in a slot; measured at first load when not given."
    )
    preload: bool = Field(False, description="Load it when the service starts.")
    pin: bool = Field(False, description="Never evict it; implies preload.")
    max_idle_s: float | None = Field(
        None, gt=0, description="Let it leave after so many seconds without a request."
    )

    @property
    def base(self) -> str | None:
        """The expert whose engine serves this one; None where it has its own."""
        return None


class VllmSpec(HostedSpec):
    """A model that vLLM serves in one of our slots."""

    type: Literal["vllm"]
    adapter_of: str | None = Field(
        None, description="The expert whose engine serves this one as a LoRA adapter."
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict, description="vLLM's engine arguments, passed through unchanged."
    )

    @property
    def base(self) -> str | None:
        return self.adapter_of


class TorchSpec(HostedSpec):
    """A fused expert whose members have different tokenizers; slower than one in vLLM."""

    type: Literal["torch"]
    max_num_seqs: int = Field(8, ge=1, description="Requests that get a token in each turn.")


class OpenAISpec(ExpertSpecBase):
    """Any OpenAI-compatible server."""

    type: Literal["openai"]
    base_url: str = Field(description="The URL that ends before /chat/completions.")
    model: str = Field(description="The model's name on that server.")
    api_key: str | None = Field(None, description="Usually ${env:NAME}.", repr=False)
    timeout_s: float = Field(600.0, gt=0, description="Longest silence that is waited out.")

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")


class ReplaySpec(ExpertSpecBase):
    """Recorded answers of a model to questions that are known: for evaluation."""

    type: Literal["replay"]
    recording: str = Field(
        description="Path prefix of PREFIX_queries.parquet and PREFIX_responses.parquet."
    )
    model: str = Field(description="The model's name in the tables.")


# A new kind of expert is one class above, and its name in these two places.
SPEC_KINDS: dict[str, type[ExpertSpecBase]] = {
    "vllm": VllmSpec,
    "torch": TorchSpec,
    "openai": OpenAISpec,
    "replay": ReplaySpec,
}
ExpertSpec = Annotated[VllmSpec | TorchSpec | OpenAISpec | ReplaySpec, Field(discriminator="type")]
