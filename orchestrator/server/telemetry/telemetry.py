"""All that a service tells of itself: its metrics, and the sinks that get traces."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from experts.errors import UnknownObject
from orchestrator.config.model import Config
from orchestrator.config.telemetry.section import RecentConfig
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.otlp_settings import Otlp, settle
from orchestrator.request.tracing.recent import RecentRequests
from orchestrator.request.tracing.sinks import AccessLog, TraceFile, TraceSink
from orchestrator.request.tracing.trace import Trace
from orchestrator.server.telemetry.engines import Address, EngineScraper
from orchestrator.server.telemetry.merging import merged
from orchestrator.server.telemetry.metrics import Metrics
from orchestrator.server.telemetry.reuse_metrics import ReuseCollector
from orchestrator.server.telemetry.siblings import Siblings

METRICS, REQUEST, DRAIN = "metrics", "request", "drain"
"""What workers ask each other."""


@dataclass(slots=True)
class Telemetry:
    """A sink of traces that hands them on to all others."""

    metrics: Metrics = field(default_factory=Metrics)
    recent: RecentRequests = field(default_factory=lambda: RecentRequests(RecentConfig()))
    others: tuple[TraceSink, ...] = (AccessLog(),)
    sample: float | None = None
    """Share of the requests that get spans; None where there are no spans."""
    siblings: Siblings | None = None
    """The other workers of the service, where there are any."""
    drains: Callable[[], Awaitable[int]] | None = None
    """What follows the other workers' drain; None while this one starts, which then looks."""
    engines: EngineScraper | None = None
    """What asks the slots for their engines' metrics, where they are wanted."""

    def write(self, context: RequestContext, trace: Trace) -> None:
        """Hand on the trace of a request that is over."""
        self.metrics.write(context, trace)
        self.recent.write(context, trace)
        for sink in self.others:
            sink.write(context, trace)

    async def page(self) -> bytes:
        """Prometheus' exposition format: the gateway's numbers, then those of slots' engines.

        Of several workers, all of them, each with its number.
        """
        engines = "" if self.engines is None else await self.engines.page()
        own = self.metrics.text()
        if self.siblings is not None:
            pages = {str(self.siblings.number): own, **await self.siblings.ask({"what": METRICS})}
            texts = {number: pages[number].decode() for number in sorted(pages)}
            own = merged(texts, "worker", "").encode()
        return own + self.metrics.pool_text() + engines.encode()

    async def record(self, request_id: str, name: str | None) -> Mapping[str, Any]:
        """What happened to a request of this key's owner. Raises UnknownObject."""
        try:
            return self.recent.find(request_id, name)
        except UnknownObject:
            asked = {"what": REQUEST, "id": request_id, "name": name}
            told = await self.siblings.ask(asked) if self.siblings is not None else {}
            for answer in filter(None, told.values()):
                found: Mapping[str, Any] = json.loads(answer)
                return found
            raise

    async def answer(self, question: Mapping[str, Any]) -> bytes:
        """What another worker asks; nothing where it is not known here."""
        if question["what"] == METRICS:
            return self.metrics.text()
        if question["what"] == DRAIN:
            return b"0" if self.drains is None else str(await self.drains()).encode()
        try:
            return json.dumps(self.recent.find(question["id"], question["name"])).encode()
        except UnknownObject:
            return b""

    def watch_slots(
        self,
        config: Config,
        addresses: Callable[[], Mapping[str, Address]],
        client: httpx.AsyncClient,
    ) -> None:
        """Pass on what the slots' engines count, where that is wanted and there are any."""
        if not config.metrics.engines or not config.hosted():
            return
        self.engines = scraper = EngineScraper(addresses, client, config.metrics.timeout_s)
        about = "Scrapes that a slot did not answer in time."
        self.metrics.watch_counts("coterie_slot_scrape_failures", about, "slot", scraper.failed)

    def watch_reuse(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Show what was not asked again."""
        self.metrics.registry.register(ReuseCollector(read))

    def watch_reloads(
        self, generation: Callable[[], int], results: Callable[[], Mapping[str, float]]
    ) -> None:
        """Show which configuration runs, and what became of those that were tried."""
        about = "The number of the configuration that runs; begins with 1."
        self.metrics.watch_number("coterie_config_generation", about, generation)
        about = "Reloads of the configuration, by what became of them."
        self.metrics.watch_counts("coterie_reloads", about, "result", results)

    def watch_batches(self, progress: Callable[[], Mapping[str, float]]) -> None:
        """Show how far the batches of this gateway are."""
        about = "Lines of the batches that this gateway runs."
        self.metrics.watch_counts("coterie_batch_lines", about, "state", progress, grows=False)


def start_telemetry(config: Config, undo: AsyncExitStack) -> Telemetry:
    """What the configuration asks for; `undo` ends it.

    Raises ConfigError for a variable of OpenTelemetry's that makes no sense.
    """
    otlp = settle(config.traces.otlp, os.environ)
    telemetry = Telemetry(
        recent=RecentRequests(config.traces.recent), sample=None if otlp is None else otlp.sample
    )
    if config.traces.file is not None:
        traces = TraceFile(config.traces.file, config.traces.sample)
        undo.push_async_callback(asyncio.to_thread, traces.close)
        telemetry.others += (traces,)
    if otlp is not None:
        _send_spans(telemetry, otlp, config, undo)
    return telemetry


def _send_spans(telemetry: Telemetry, otlp: Otlp, config: Config, undo: AsyncExitStack) -> None:
    # Imported here: OpenTelemetry's SDK is only for those who want it.
    from orchestrator.request.tracing.otlp import SpanSink  # noqa: PLC0415

    spans = SpanSink(otlp, config.traces.otlp)
    undo.push_async_callback(asyncio.to_thread, spans.close)
    about = "Requests by what became of their spans."
    telemetry.metrics.watch_counts("coterie_spanned_requests", about, "outcome", spans.counted)
    telemetry.others += (spans,)
