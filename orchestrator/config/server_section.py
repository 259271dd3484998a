"""The keys of the HTTP server, and of what it keeps of requests."""

import re
from pathlib import Path

from pydantic import Field, field_validator

from orchestrator.config.keys.limits_section import AdminConfig, LimitsConfig
from orchestrator.config.keys.section import ApiKey
from orchestrator.config.resilience.section import BreakerConfig
from orchestrator.config.reuse.section import CacheConfig, IdempotencyConfig
from orchestrator.config.sections import Name, Section

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class CorsConfig(Section):
    """Which web pages may call the service from a browser."""

    origins: list[str] = Field(
        default_factory=list,
        description="The origins of those pages, such as https://chat.example.com; `*`: any; none:"
        " browsers let no page of another origin read answers.",
    )
    max_age_s: int = Field(
        600,
        ge=0,
        description="Seconds for which a browser may keep the permission it has asked for.",
    )

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        if not all(one == "*" or _ORIGIN.fullmatch(one) for one in value):
            raise ValueError(
                "must be `*`, or scheme://host or scheme://host:port in lower case, without a path"
            )
        return value


class EventsConfig(Section):
    """Bounds of `GET /coterie/events`, the stream of what happens in the pool."""

    listeners: int = Field(
        32, ge=1, description="Who may listen at once; further ones get HTTP 429."
    )
    interval_s: float = Field(
        0.2, gt=0, le=10, description="Shortest time between two snapshots, in seconds."
    )


class ProbesConfig(Section):
    """What an expert is asked that is added by a call, so that the routers know it."""

    count: int = Field(32, ge=0, description="Probe questions, where the call does not say.")
    at_most: int = Field(512, ge=0, description="The most that a call may ask for.")
    in_flight: int = Field(16, ge=1, description="Questions that it is asked at once.")
    tasks: list[str] = Field(
        default_factory=list,
        description="The tasks that the questions of the routers' outcome table come from: names of"
        " shipped ones, or paths of files; none: those of the zoo.",
    )


class ReportsConfig(Section):
    """Reports of evaluations that the console shows."""

    folder: Path = Field(
        description="Each folder in it that has a `report.html` or pictures is a report, such as"
        " those that `coterie eval run -o FOLDER/NAME` writes."
    )
    listed: int = Field(100, ge=1, description="The newest that are listed.")
    max_file_mb: float = Field(
        16.0, gt=0, allow_inf_nan=False, description="Largest file that is shown, in MiB."
    )


class ServerConfig(Section):
    """The HTTP listener and its bounds."""

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0: all of them.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0: a free one.")
    max_body_mb: float = Field(
        16.0,
        gt=0,
        description="Largest request body, in MiB, also when it is unpacked (content-encoding);"
        " larger ones get HTTP 413.",
    )
    client_timeout_s: float = Field(
        30.0,
        gt=0,
        allow_inf_nan=False,
        description="Longest time for the head of a request to come, and longest pause within its"
        " body, in seconds; then HTTP 408, and the connection is closed. A connection on which"
        " nothing comes for so long is closed, too.",
    )
    max_client_connections: int = Field(
        4096,
        ge=1,
        description="Connections of clients at once, on each listener of each worker; further ones"
        " get HTTP 503. Never more than half of the open files that the system allows"
        " (`ulimit -Hn`).",
    )
    max_in_flight: int = Field(
        4096,
        ge=1,
        description="Requests that are answered at once; further ones get HTTP 429 before their"
        " body is read.",
    )
    batch_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Share of `max_in_flight` from which on requests of a class without an age"
        " bound, such as `batch`, get HTTP 429, so that the others still find room.",
    )
    max_connections: int = Field(
        1024,
        ge=1,
        description="Calls to experts at once, all together; further ones wait for a connection.",
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
        description="Longest wait for an expert's turn and its load, in seconds; then HTTP 504."
        " Lines of batches wait as long as it takes.",
    )
    retries: int = Field(
        1,
        ge=0,
        le=5,
        description="How often a request is sent again when an expert fails before its first"
        " token.",
    )
    retry_pause_s: float = Field(
        0.1,
        ge=0,
        le=60,
        description="Longest pause before a request is sent again, in seconds, of which a random"
        " part is waited; twice as long each further time. None where a slot was lost: the request"
        " waits for it anyway.",
    )
    retry_pause_max_s: float = Field(
        2.0,
        ge=0,
        le=120,
        description="Bound of these pauses, in seconds. An expert whose server asks for a longer"
        " one (Retry-After) is not asked again.",
    )
    breaker: BreakerConfig | None = Field(
        BreakerConfig(),
        description="When an expert that keeps failing is not asked for a while, so that requests"
        " for it fail at once and compositions ask others; null: never.",
    )
    request_timeout_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Longest time from a request to the end of its answer, in seconds; then its"
        " generation is aborted, and it ends with HTTP 504 or an error event. Clients may ask for"
        " less (`coterie.timeout_s`). null: no bound beside the others. Not for lines of batches.",
    )
    drain_notice_s: float = Field(
        0.0,
        ge=0,
        description="Seconds for which a service that was told to stop (SIGTERM) still takes"
        " requests while its readiness answers 503 already, so that load balancers turn away.",
    )
    drain_timeout_s: float = Field(
        20.0,
        ge=0,
        description="Longest wait for the answers that are in flight when the service stops, in"
        " seconds; then they end with an error.",
    )
    max_prompts: int = Field(
        1024, ge=1, description="Most prompts in one completion of a composition."
    )
    max_embedding_inputs: int = Field(
        2048, ge=1, description="Most texts in one call of /v1/embeddings."
    )
    max_embedding_tokens: int = Field(
        8192,
        ge=256,
        description="Most tokens of one text for `coterie/embed`, which reads 256 at once and"
        " averages over a longer text's windows; a text that is longer still gets HTTP 400.",
    )
    comment_after_s: float | None = Field(
        1.0,
        gt=0,
        description="Seconds after which a stream that has not begun says in comments what it waits"
        " for; null: never.",
    )
    comment_interval_s: float = Field(5.0, gt=0, description="Seconds between two such comments.")
    events: EventsConfig = Field(
        EventsConfig(), description="Who may watch the pool at once, and how closely."
    )
    probes: ProbesConfig = Field(
        ProbesConfig(), description="What an expert is asked that is added by a call."
    )
    reports: ReportsConfig | None = Field(
        None, description="Reports of evaluations that the console shows; null: none."
    )
    max_explained_characters: int = Field(
        4000,
        ge=0,
        description="Characters that an explanation (`coterie.explain`) has of what each expert of"
        " a panel has said; what is longer is cut there.",
    )
    cors: CorsConfig = Field(
        CorsConfig(), description="Which web pages may call the service from a browser."
    )
    console: bool = Field(
        True,
        description="Whether `/` is the console, a page for browsers. The page itself needs no API"
        " key, and holds nothing of the service; what it shows, it asks for with its user's key.",
    )
    api_keys: dict[Name, ApiKey] = Field(
        default_factory=dict,
        description="The API keys, by the name of their owner, beside those that `coterie key"
        " create` has put into the store; where there are any, every request needs one. Without"
        " any, only clients on this machine may change the service.",
    )
    limits: LimitsConfig = Field(LimitsConfig(), description="How the limits of API keys are kept.")
    cache: CacheConfig | None = Field(
        None,
        description="Answers that are kept in the store and given again to equal requests of the"
        " same key (`{}`: with the defaults); null: none.",
    )
    idempotency: IdempotencyConfig | None = Field(
        IdempotencyConfig(),
        description="What becomes of requests with an `Idempotency-Key`: a retry with the same one"
        " does not run again. null: the header is ignored.",
    )
    admin: AdminConfig | None = Field(
        None,
        description="A listener of its own for what changes the service (reloads, keys);"
        " the public one then answers 404 for it. null: there is one listener for all.",
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
