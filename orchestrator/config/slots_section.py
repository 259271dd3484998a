"""The keys of the slots that host experts, and of Ray, which runs them."""

from typing import Any, Literal

from pydantic import Field, model_validator

from orchestrator.config.sections import Name, Section


class SlotsConfig(Section):
    """The device groups that host experts: one Ray actor each."""

    count: int = Field(1, ge=1, le=256, description="Slots that are always there.")
    max_count: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Most slots: those beyond `count` are asked of Ray, and so of its autoscaler,"
        " when requests wait too long, and given back when nobody uses them; null: `count`.",
    )
    grow_after_s: float = Field(
        10.0,
        gt=0,
        description="How long requests for an expert that no slot has, or that is full, may wait"
        " before one slot more is asked for, where there may be more than `count`, in seconds.",
    )
    give_back_after_s: float = Field(
        300.0,
        gt=0,
        description="How long a slot beyond `count` must have been of no use before it is given"
        " back, in seconds.",
    )
    cpus: int = Field(1, ge=1, description="CPU cores, and compute threads, of each slot.")
    gpus: float | None = Field(
        None,
        ge=0,
        description="GPUs of each slot, as Ray counts them; null: one where there is a GPU.",
    )
    memory_gb: float = Field(
        4.0,
        gt=0,
        description="Memory that a slot's process may use (on a GPU, what its engines may take"
        " together), in GiB.",
    )
    kv_cache_share: float = Field(
        0.125,
        gt=0,
        le=1,
        description="Most of what a slot has for experts that the KV cache of one takes, unless one"
        " request of the whole context needs more.",
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict,
        description="Engine arguments of vLLM for every expert, passed on unchanged; those that"
        " Coterie sets itself are refused.",
    )
    offline: bool | Literal["auto"] = Field(
        "auto",
        description="Whether models come from this machine alone: true, false, or `auto` (unless a"
        " model is neither a folder nor in the Hugging Face cache).",
    )
    hub_timeout_s: float = Field(
        3.0,
        gt=0,
        description="How long the Hugging Face hub may take to accept a connection, in seconds; one"
        " that does not is left alone for a minute.",
    )
    gather_ms: float = Field(
        10.0,
        ge=0,
        description="How long a step of a CPU engine waits for requests that are just arriving, in"
        " milliseconds; ten times as long where it has only what may come later, as batches.",
    )
    step_ms: float = Field(
        150.0,
        gt=0,
        description="How long a step of a CPU engine should take at most, in milliseconds: longer"
        " prompts are read in parts, so that the other experts of the slot go on answering.",
    )
    start_timeout_s: float = Field(
        120.0,
        gt=0,
        description="Longest wait for a slot's process to start where a node has room for it, and"
        " for the first slot to find room, in seconds.",
    )
    probe_s: float = Field(
        1.0,
        gt=0,
        description="How often a slot in a Ray cluster is asked for a sign of life, which its"
        " machine's kernel gives however busy it is, and how long that may take, in seconds.",
    )
    probe_misses: int = Field(
        3,
        ge=1,
        description="Signs of life missing in a row after which a slot is out of reach: its"
        " requests are asked elsewhere, until it answers again.",
    )
    load_timeout_s: float = Field(
        600.0, gt=0, description="Longest wait for one load of an expert, in seconds."
    )
    drain_timeout_s: float = Field(
        60.0,
        gt=0,
        description="How long requests may keep an expert that must leave, in seconds; then they"
        " are aborted.",
    )
    preload: bool = Field(True, description="Load every expert that fits when the service starts.")
    stage_loads: float = Field(
        20.0,
        ge=0,
        description="How long requests without an age bound may be passed over, as a multiple of"
        " their expert's load time.",
    )
    prefetch: bool = Field(
        True,
        description="Load an expert before it is asked where a running request will ask it (a"
        " panel's lead, a debate's next round) and nobody who waits could use the room.",
    )
    rate_window_s: float = Field(
        120.0, gt=0, description="Seconds over which arrival rates are averaged."
    )
    sleep_level: Literal[0, 1, 2] = Field(
        1,
        description="vLLM's sleep level for experts that leave a GPU: 1 keeps their weights in host"
        " memory, 2 only their engine; 0 unloads them.",
    )
    sleeping_gb: float = Field(
        1.5,
        ge=0,
        description="GPU memory that an expert which sleeps may keep (its context on the device and"
        " its graphs), in GiB; more is reported as a leak.",
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
    remember_moves: int = Field(
        1000,
        ge=1,
        description="Loads and evictions that are remembered, for the timeline of"
        " `GET /coterie/events`; the oldest are forgotten.",
    )
    retry_load_s: float = Field(
        1.0,
        gt=0,
        description="Seconds to wait after a failed load; doubled after every further failure.",
    )
    retry_load_max_s: float = Field(
        120.0, gt=0, le=120, description="Longest wait after a failed load, in seconds."
    )

    @property
    def most(self) -> int:
        """How many there may be."""
        return self.max_count or self.count

    @model_validator(mode="after")
    def _grows(self) -> "SlotsConfig":
        if self.most < self.count:
            raise ValueError(f"`max_count` {self.max_count} is below `count` {self.count}")
        return self


class RayConfig(Section):
    """Where Ray runs."""

    address: str | None = Field(
        None,
        description="`auto`, `ray://HOST:PORT` or `HOST:PORT` of a running cluster; null: Ray is"
        " started on this machine.",
    )
    pool: Name | None = Field(
        None,
        description="Several gateways on one cluster that have the same slots, and the"
        " same name here, share them; null: this gateway has slots of its own.",
    )
    linger_s: float = Field(
        60.0,
        ge=0,
        description="So long a shared pool stays when its last gateway has gone.",
    )

    @model_validator(mode="after")
    def _has_a_cluster(self) -> "RayConfig":
        if self.pool is not None and self.address is None:
            raise ValueError("`pool` needs `address`: the Ray that the gateways share")
        return self
