"""What the configuration leaves open, OpenTelemetry's variables say."""

import pytest

from experts.errors import ConfigError
from orchestrator.config.telemetry.section import OtlpConfig
from orchestrator.request.tracing.otlp_settings import settle

URL = "http://collector:4318"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": URL}


def test_nobody_wants_spans_unless_somebody_says_where() -> None:
    assert settle(OtlpConfig(), {}) is None
    assert settle(OtlpConfig(), {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}) is None


def test_the_configuration_comes_first() -> None:
    config = OtlpConfig(endpoint="http://other:4317", protocol="grpc", sample=0.5, timeout_s=3)
    variables = {**ENDPOINT, "OTEL_TRACES_SAMPLER": "always_off", "OTEL_EXPORTER_OTLP_TIMEOUT": "9"}
    found = settle(config, variables)
    assert found is not None
    told = (found.endpoint, found.protocol, found.sample, found.timeout_s)
    assert told == ("http://other:4317", "grpc", 0.5, 3)


@pytest.mark.parametrize("url", [URL, URL + "/", URL + "/v1/traces"])
def test_an_endpoint_for_http_needs_no_path(url: str) -> None:
    found = settle(OtlpConfig(endpoint=url), {})
    assert found is not None
    assert found.endpoint == URL + "/v1/traces"


def test_variables_alone_are_enough() -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:4317",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5",
    }
    found = settle(OtlpConfig(), variables)
    assert found is not None
    told = (found.endpoint, found.shown, found.protocol, found.sample, found.timeout_s)
    assert told == (None, "http://t:4317", "grpc", 0.1, 2.5)


@pytest.mark.parametrize(
    "off", [{"OTEL_SDK_DISABLED": "TRUE"}, {"OTEL_TRACES_EXPORTER": "none"}], ids=str
)
def test_they_can_switch_it_off(off: dict[str, str]) -> None:
    assert settle(OtlpConfig(endpoint=URL), off) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "half"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "inf"},
    ],
    ids=str,
)
def test_nonsense_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=list(wrong)[-1]):
        settle(OtlpConfig(), {**ENDPOINT, **wrong})
