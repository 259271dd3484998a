"""Sends the spans of requests to an OpenTelemetry collector, in a thread of its own.

Imported only where spans are wanted. OpenTelemetry's own exporters speak to the collector; its
batching does not fit, since it says so again and again while a collector is away.
"""

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode
from opentelemetry.util.re import parse_env_headers

from orchestrator.config.telemetry.section import OtlpConfig
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.identity import Identity
from orchestrator.request.tracing.otlp_settings import Otlp
from orchestrator.request.tracing.spans import Span, spans_of, without_texts
from orchestrator.request.tracing.trace import Trace

LOGGER = logging.getLogger("coterie.traces")
GATHER_S = 0.5
"""Spans that come within this time leave together."""
AT_THE_END_S = 1.0
"""Longest wait for an export that was told to end."""
MOST_AT_ONCE = 128
"""Requests whose spans are in one export."""
_OWN_HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_KINDS = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}


class SpanSink:
    """Takes traces, and sends their spans; a collector that is away costs spans and no more."""

    def __init__(self, settings: Otlp, config: OtlpConfig) -> None:
        self._settings = settings
        self._config = config
        self._reasons = _Reasons()
        self._exporter = _exporter(settings, config)
        self._resource = _resource()
        self._scope = InstrumentationScope("coterie", version("coterie"))
        self._waiting: deque[tuple[RequestContext, Trace, int]] = deque()
        self._news = threading.Event()
        self._ends = False
        self._away = False
        self._counts: Counter[str] = Counter(sent=0, failed=0, dropped=0)
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def write(self, context: RequestContext, trace: Trace) -> None:
        """Take the trace of a request that is over; does not wait for anything."""
        identity = context.identity
        if identity is None or not identity.sampled or identity.span_id is None:
            return
        if len(self._waiting) >= self._config.max_queued:
            self._counts["dropped"] += 1
            return
        offset_ns = time.time_ns() - time.perf_counter_ns()
        self._waiting.append((without_texts(context), trace, offset_ns))
        if len(self._waiting) in (1, MOST_AT_ONCE):
            self._news.set()

    def counted(self) -> Mapping[str, float]:
        """Requests, by what became of their spans: `sent`, `failed`, `dropped`."""
        return self._counts

    def close(self) -> None:
        """Send what is left, and end; blocks for `timeout_s` at most."""
        self._ends = True
        self._news.set()
        if not self._away:
            self._thread.join(self._settings.timeout_s)
        self._exporter.shutdown()  # Which ends an export that waits for its next try.
        self._thread.join(AT_THE_END_S)
        if not self._thread.is_alive():
            self._reasons.remove()
        if lost := self._counts["failed"] + self._counts["dropped"] + len(self._waiting):
            LOGGER.warning("requests whose spans did not reach the collector: %d", lost)

    def _run(self) -> None:
        while not self._ends or self._waiting:
            if not self._waiting:
                self._news.wait()
            self._news.clear()
            if not self._ends and len(self._waiting) < MOST_AT_ONCE:
                self._news.wait(GATHER_S)
                self._news.clear()
            count = min(len(self._waiting), MOST_AT_ONCE)
            self._send([self._waiting.popleft() for _ in range(count)])
            if self._ends and self._away:
                return  # What is left would be refused, too.

    def _send(self, batch: Sequence[tuple[RequestContext, Trace, int]]) -> None:
        if not batch:
            return
        try:
            found = self._exporter.export([span for one in batch for span in self._spans(*one)])
            sent = found is SpanExportResult.SUCCESS
        except Exception as error:
            self._reasons.last, sent = f"{type(error).__name__}: {error}", False
        self._counts["sent" if sent else "failed"] += len(batch)
        if sent == self._away:
            self._away = not sent
            self._tell()

    def _tell(self) -> None:
        """Say once that the collector is away, and once that it is back."""
        if self._away:
            why = self._reasons.last or "it did not take them"
            LOGGER.warning("spans cannot be sent to %s: %s", self._settings.shown, why)
        else:
            lost = self._counts["failed"] + self._counts["dropped"]
            LOGGER.warning("%s takes spans again; lost: %d requests", self._settings.shown, lost)

    def _spans(
        self, context: RequestContext, trace: Trace, offset_ns: int
    ) -> Iterable[ReadableSpan]:
        assert context.identity is not None
        for span in spans_of(context, trace, offset_ns):
            yield self._readable(span, context.identity)

    def _readable(self, span: Span, identity: Identity) -> ReadableSpan:
        parent = None
        if span.parent_id is not None:
            remote = span.parent_id == identity.parent_id
            parent = _context(identity, span.parent_id, remote)
        return ReadableSpan(
            span.name,
            _context(identity, span.span_id, False),
            parent,
            self._resource,
            span.attributes,
            kind=_KINDS[span.kind],
            status=Status(StatusCode.UNSET if span.error is None else StatusCode.ERROR),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=self._scope,
        )


class _Reasons(logging.Handler):
    """Keeps the last word of OpenTelemetry's exporters, which would say it at every export."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._logger = logging.getLogger("opentelemetry")
        self._logger.addHandler(self)
        self._logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()

    def remove(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = True


def _context(identity: Identity, span_id: str, remote: bool) -> SpanContext:
    state = TraceState.from_header([identity.state]) if identity.state else None
    flags = TraceFlags(identity.flags)
    return SpanContext(int(identity.trace_id, 16), int(span_id, 16), remote, flags, state)


def _resource() -> Resource:
    """Who sends: ours, unless $OTEL_SERVICE_NAME or $OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    own = Resource({"service.name": "coterie", "service.version": version("coterie")})
    return own.merge(OTELResourceDetector().detect())


def _exporter(settings: Otlp, config: OtlpConfig) -> SpanExporter:
    """The exporter of the protocol; gRPC's library is imported only for gRPC."""
    headers = {name.lower(): value for name, value in config.headers.items()}
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter  # noqa: PLC0415

        # Beside those that are given it would not read the variables.
        told = os.environ.get(_OWN_HEADERS) or os.environ.get(_HEADERS, "")
        headers = {**parse_env_headers(told, liberal=True), **headers}
        return trace_exporter.OTLPSpanExporter(
            settings.endpoint, headers=headers, timeout=settings.timeout_s
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(settings.endpoint, headers=headers, timeout=settings.timeout_s)
