"""What the service tells of its requests and engines, and where."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from orchestrator.config.sections import Section

Protocol = Literal["http/protobuf", "grpc"]


class OtlpConfig(Section):
    """Where OpenTelemetry's spans go; what is not given here, its own variables say."""

    endpoint: str | None = Field(
        None,
        description="The collector's URL, such as http://localhost:4318; null:"
        " $OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or $OTEL_EXPORTER_OTLP_ENDPOINT, and where there is"
        " neither, no spans are made.",
    )
    protocol: Protocol | None = Field(
        None,
        description="How the collector is spoken to; null: $OTEL_EXPORTER_OTLP_TRACES_PROTOCOL or"
        " $OTEL_EXPORTER_OTLP_PROTOCOL, else http/protobuf.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="Headers of each export, such as an API key, usually ${env:NAME}; those of"
        " $OTEL_EXPORTER_OTLP_HEADERS are sent as well, where they have other names.",
    )
    sample: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the requests that get spans, from 0 to 1, unless their `traceparent`"
        " says whether they do; null: as $OTEL_TRACES_SAMPLER says, else all.",
    )
    timeout_s: float | None = Field(
        None,
        gt=0,
        description="Longest time for one export, its retries included, and for the last one when"
        " the service stops, in seconds; null: $OTEL_EXPORTER_OTLP_TIMEOUT, else 10.",
    )
    max_queued: int = Field(
        2048,
        ge=1,
        description="Requests whose spans wait for the collector; those of further ones are"
        " dropped, and counted.",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must be a URL, such as http://localhost:4318")
        return value

    @field_validator("headers")
    @classmethod
    def _fit_http(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not name or not (name + text).isascii() or not (name + text).isprintable():
                raise ValueError(f"{name}: names and values must be printable ASCII")
        return value


class RecentConfig(Section):
    """What `GET /coterie/requests/ID` can still tell of requests that are over."""

    remember: int = Field(1000, ge=0, description="The last requests that can be asked for.")
    remember_mb: float = Field(
        16.0, ge=0, description="Memory for them, in MiB; beyond it the oldest are forgotten."
    )
    contents: bool = Field(
        False, description="Whether the bodies of the requests are kept, too; answers never are."
    )


class TracesConfig(Section):
    """Where the service tells what happened to each request."""

    file: Path | None = Field(
        None, description="Where one JSON line per request is appended; null: nowhere."
    )
    sample: float = Field(
        1.0, ge=0, le=1, description="Share of the requests that are written, from 0 to 1."
    )
    otlp: OtlpConfig = Field(
        OtlpConfig(), description="The OpenTelemetry collector that gets spans."
    )
    recent: RecentConfig = Field(
        RecentConfig(), description="What is remembered of the last requests."
    )


class MetricsConfig(Section):
    """What /metrics has beside the gateway's own numbers."""

    engines: bool = Field(
        True,
        description="Whether the slots' vLLM engines count what they do, and /metrics passes that"
        " on: `vllm:*`, with the labels `expert` and `slot`.",
    )
    timeout_s: float = Field(
        1.0,
        gt=0,
        description="How long a scrape waits for a slot, in seconds; one that takes longer is left"
        " out.",
    )
