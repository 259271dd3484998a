"""The sections of the configuration file, each key with its default, its bounds and its meaning."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from experts.components import is_own_class
from orchestrator.config.budget import BudgetConfig
from routers.learning import LearningConfig

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
CompositionName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._+-]+$")
]
DEFAULT_CLASS = "interactive"
BATCH_CLASS = "batch"


class Section(BaseModel):
    """Refuses unknown keys, never changes, and shows no value where it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class RequestClass(Section):
    """How long the requests of one kind of client may be made to wait."""

    max_wait_s: float | None = Field(
        gt=0,
        description="Age in seconds by which a request of this class is served, if a slot can"
        " serve it at all; null: no bound.",
    )


DEFAULT_CLASSES = {
    DEFAULT_CLASS: RequestClass(max_wait_s=10.0),
    BATCH_CLASS: RequestClass(max_wait_s=None),
}


class CompositionConfig(Section):
    """A model name behind which a router chooses who answers."""

    router: str = Field(description="The router that chooses: a name from `routers`.")
    aggregator: str | dict[str, Any] | None = Field(
        None,
        description="How the answers of several experts become one: a name from `aggregators`, a"
        " type with its defaults, or a mapping of `type` and its keys; null: one expert answers.",
    )
    experts: int = Field(
        3,
        ge=1,
        le=64,
        description="How many experts answer together, unless the router recruits them itself.",
    )
    budget: BudgetConfig = Field(
        BudgetConfig(), description="The most that one answer of several experts may cost."
    )
    quorum: int = Field(
        1,
        ge=1,
        le=64,
        description="Answers that must be in before slow experts are left out at the deadline.",
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds after which slow experts are left out, once the quorum has answered;"
        " null: `budget.seconds`.",
    )
    about: str = Field("", description="A sentence about the composition, shown by /v1/models.")
    request_class: str | None = Field(
        None,
        alias="class",
        description="The class, from `classes`, of requests that choose none; null: interactive.",
    )
    quality_weight: float = Field(
        1.0,
        gt=0,
        le=1,
        description="1 asks the best expert whatever it costs; below 1, the rest of the weight goes"
        " to the price, as a share of the most expensive expert's. `coterie router calibrate`"
        " finds a value.",
    )
    load_price: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Predicted quality (0 to 1) that may be given up to save one second of waiting"
        " for a load.",
    )
    learning: LearningConfig | None = Field(
        None,
        description="Learn whom to ask from clients' feedback (POST /coterie/feedback); null: do"
        " not.",
    )

    @field_validator("aggregator")
    @classmethod
    def _own_class_with_its_defaults(cls, value: Any) -> Any:
        return {"type": value} if is_own_class(value) else value

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> "CompositionConfig":
        if self.learning and (self.load_price or self.quality_weight < 1):
            raise ValueError("learning chooses by itself: leave out quality_weight and load_price")
        if self.aggregator and (self.learning or self.load_price or self.quality_weight < 1):
            raise ValueError(
                "an aggregator asks several experts: leave out learning, quality_weight and"
                " load_price"
            )
        return self


class SlotsConfig(Section):
    """The device groups that host experts: one Ray actor each."""

    count: int = Field(1, ge=1, le=256, description="Slots to start.")
    cpus: int = Field(1, ge=1, description="CPU cores, and compute threads, of each slot.")
    gpus: float | None = Field(
        None,
        ge=0,
        description="GPUs of each slot, as Ray counts them; null: one where there is a GPU.",
    )
    memory_gb: float = Field(
        4.0, gt=0, description="Memory that a slot's process (or its GPU) may use, in GiB."
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict,
        description="Engine arguments of vLLM for every expert, passed on unchanged.",
    )
    gather_ms: float = Field(
        10.0,
        ge=0,
        description="How long a step of a CPU engine waits for requests that are just arriving, in"
        " milliseconds.",
    )
    start_timeout_s: float = Field(
        120.0, gt=0, description="Longest wait for a slot's process to start, in seconds."
    )
    load_timeout_s: float = Field(
        600.0, gt=0, description="Longest wait for one load of an expert, in seconds."
    )
    preload: bool = Field(True, description="Load every expert that fits when the service starts.")
    stage_loads: float = Field(
        20.0,
        ge=0,
        description="How long requests without an age bound may be passed over, as a multiple of"
        " their expert's load time.",
    )
    rate_window_s: float = Field(
        120.0, gt=0, description="Seconds over which arrival rates are averaged."
    )
    sleep_level: Literal[0, 1, 2] = Field(
        1,
        description="vLLM's sleep level for experts that leave a GPU: 1 keeps their weights in host"
        " memory, 2 only their engine; 0 unloads them.",
    )
    host_memory_gb: float = Field(
        32.0,
        ge=0,
        description="Host memory of each slot for experts that sleep at level 1, in GiB.",
    )
    canary_tokens: int = Field(
        8,
        ge=0,
        description="Tokens of a fixed answer that must come back unchanged after every load; 0:"
        " no check.",
    )
    leak_tolerance_gb: float = Field(
        0.25,
        ge=0,
        description="Memory that may remain in use after an expert was unloaded, in GiB; more is"
        " reported as a leak.",
    )
    retry_load_s: float = Field(
        1.0,
        gt=0,
        description="Seconds to wait after a failed load; doubled after every further failure.",
    )
    retry_load_max_s: float = Field(
        120.0, gt=0, le=120, description="Longest wait after a failed load, in seconds."
    )


class RayConfig(Section):
    """Where Ray runs."""

    address: str | None = Field(
        None,
        description="`auto`, `ray://HOST:PORT` or `HOST:PORT` of a running cluster; null: Ray is"
        " started on this machine.",
    )


class ApiKey(Section):
    """A key that clients may use."""

    key: str = Field(description="The key itself, usually ${env:NAME}.", repr=False)
    request_class: str = Field(
        DEFAULT_CLASS,
        alias="class",
        description="The class, from `classes`, of requests that choose none.",
    )
    admin: bool = Field(
        False, description="Whether the key may also change the service: reload its routers."
    )

    @field_validator("key")
    @classmethod
    def _fits_a_header(cls, value: str) -> str:
        if not re.fullmatch(r"[!-~]+", value):
            raise ValueError("must be one or more visible ASCII characters without spaces")
        return value


class ServerConfig(Section):
    """The HTTP listener and its bounds."""

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0: all of them.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0: a free one.")
    max_body_mb: float = Field(
        16.0, gt=0, description="Largest request body, in MiB; larger ones get HTTP 413."
    )
    max_in_flight: int = Field(
        4096,
        ge=1,
        description="Requests that are answered at once; further ones get HTTP 429 before their"
        " body is read.",
    )
    max_connections: int = Field(
        1024,
        ge=1,
        description="Connections to experts, all together; further calls wait for a free one.",
    )
    max_answer_checks: int = Field(
        2,
        ge=1,
        description="Child processes that compare answers or run their tests at once; further"
        " checks wait.",
    )
    lease_timeout_s: float = Field(
        300.0,
        gt=0,
        description="Longest wait for an expert's turn and its load, in seconds; then HTTP 504.",
    )
    retries: int = Field(
        1,
        ge=0,
        le=5,
        description="How often a request is sent again when an expert fails before its first"
        " token.",
    )
    max_embedding_inputs: int = Field(
        2048, ge=1, description="Most texts in one call of /v1/embeddings."
    )
    comment_after_s: float | None = Field(
        1.0,
        gt=0,
        description="Seconds after which a stream that has not begun says in comments what it waits"
        " for; null: never.",
    )
    comment_interval_s: float = Field(5.0, gt=0, description="Seconds between two such comments.")
    api_keys: dict[Name, ApiKey] = Field(
        default_factory=dict,
        description="The API keys, by the name of their owner; where there are any, every request"
        " needs one. Without any, only clients on this machine may reload routers.",
    )


class FeedbackConfig(Section):
    """What is kept so that clients can score answers."""

    remember: int = Field(
        10_000, ge=0, description="The last answers of compositions that can still be scored."
    )
    remember_mb: float = Field(
        64.0,
        ge=0,
        description="Memory for these answers' questions, in MiB; beyond it the oldest are"
        " forgotten.",
    )
    file: Path | None = Field(
        None,
        description="Where scored answers are appended as JSON lines, for `coterie outcomes add`;"
        " null: nowhere.",
    )


class TracesConfig(Section):
    """Where the service writes what happened to each request."""

    file: Path | None = Field(
        None, description="Where one JSON line per request is appended; null: nowhere."
    )
    sample: float = Field(
        1.0, ge=0, le=1, description="Share of the requests that are written, from 0 to 1."
    )
