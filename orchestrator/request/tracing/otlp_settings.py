"""Whether spans are made, of which requests, and where they go; the SDK is not imported here.

What the configuration leaves open, OpenTelemetry's own variables say
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from experts.errors import ConfigError
from orchestrator.config.telemetry.section import OtlpConfig, Protocol

PROTOCOLS = ("http/protobuf", "grpc")
HTTP_PATH = "/v1/traces"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_RATIOS = ("traceidratio", "parentbased_traceidratio")
_NONE = ("always_off", "parentbased_always_off")


@dataclass(frozen=True, slots=True)
class Otlp:
    """What is settled."""

    endpoint: str | None
    """Whole; None leaves it to the exporter, which reads the variables itself."""
    shown: str
    """The endpoint, for people."""
    protocol: Protocol
    sample: float
    timeout_s: float = 10.0


def settle(config: OtlpConfig, environment: Mapping[str, str]) -> Otlp | None:
    """Where spans go; None where nobody wants any. Raises ConfigError for a variable's nonsense."""
    shown = config.endpoint or _first(environment, _ENDPOINTS)
    if not shown or not _wanted(environment):
        return None
    protocol = config.protocol or _first(environment, _PROTOCOLS) or PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}, which is not known here.",
            hint=f"Set it, or traces.otlp.protocol, to {' or '.join(PROTOCOLS)}.",
        )
    sample = _sample(environment) if config.sample is None else config.sample
    endpoint = config.endpoint
    if endpoint is not None and protocol != "grpc" and not endpoint.endswith(HTTP_PATH):
        endpoint = endpoint.rstrip("/") + HTTP_PATH
    timeout_s = config.timeout_s or _timeout_s(environment)
    return Otlp(endpoint, shown, cast("Protocol", protocol), sample, timeout_s)


def _wanted(environment: Mapping[str, str]) -> bool:
    """Neither is it switched off, nor are the spans meant for another exporter."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    return "otlp" in [name.strip() for name in exporters.split(",")]


def _sample(environment: Mapping[str, str]) -> float:
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip()
    if sampler in _NONE:
        return 0.0
    if sampler not in _RATIOS:
        return 1.0
    given = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1"
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(
            f"OTEL_TRACES_SAMPLER_ARG is {given}, which is no share from 0 to 1.",
            hint="Set it, or traces.otlp.sample, to one.",
        )
    return share


def _timeout_s(environment: Mapping[str, str]) -> float:
    given = _first(environment, _TIMEOUTS) or "10"
    try:
        timeout_s = float(given)
    except ValueError:
        timeout_s = 0.0
    if not 0 < timeout_s < float("inf"):
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_TIMEOUT is {given}, which is no number of seconds.",
            hint="Set it, or traces.otlp.timeout_s, to one.",
        )
    return timeout_s


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """OpenTelemetry counts a variable that is empty as not set."""
    found = (environment.get(name, "").strip() for name in names)
    return next((value for value in found if value), None)
