"""What Prometheus can scrape: requests, their waiting times, broken streams, and the pool."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.trace import Trace
from orchestrator.server.pool_metrics import PoolCollector

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """The counters of one server, in a registry of their own: a sink of traces."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = 0
        self.requests = self._counter(
            "coterie_requests", "Requests by outcome.", ["model", "expert", "class", "status"]
        )
        self.broken_streams = self._counter(
            "coterie_broken_streams", "Streams that ended with an error.", ["expert"]
        )
        self.retries = self._counter(
            "coterie_retries", "New tries before the first token.", ["expert"]
        )
        by_class = ["expert", "class"]
        self._route = self._histogram("coterie_route_seconds", "Routing time.", ["router"])
        self._queue = self._histogram("coterie_queue_seconds", "Wait for a turn.", by_class)
        self._load = self._histogram("coterie_load_seconds", "Wait for a load.", by_class)
        self._slot_wait = self._histogram(
            "coterie_slot_wait_seconds", "Held up by other engines of the slot.", by_class
        )
        self._first_byte = self._histogram(
            "coterie_first_byte_seconds", "From the request to the expert's first byte.", by_class
        )

    def watch(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        """Show the pool, too: `snapshot` is asked whenever somebody scrapes."""
        self.registry.register(PoolCollector(snapshot))

    def write(self, context: RequestContext, trace: Trace) -> None:
        """Count a request that is over."""
        expert = trace.expert or ""
        # Without a plan the model is whatever the client wrote: no label for that.
        model = context.model if trace.plan else ""
        self.requests.labels(model, expert, context.request_class, trace.status).inc()
        if trace.retried:
            self.retries.labels(expert).inc(len(trace.retried))
        if trace.first_byte_ms is None:
            return
        if trace.error is not None:
            self.broken_streams.labels(expert).inc()
        if trace.decision is not None:
            self._route.labels(trace.decision.router).observe(trace.route_ms / 1000)
        labels = (expert, context.request_class)
        self._queue.labels(*labels).observe(trace.queue_ms / 1000)
        self._load.labels(*labels).observe(trace.load_ms / 1000)
        self._slot_wait.labels(*labels).observe(trace.slot_wait_ms / 1000)
        self._first_byte.labels(*labels).observe(trace.first_byte_ms / 1000)

    def count_untraced(self, status: int) -> None:
        """Count a request that was refused before anything was known of it but its path."""
        self.requests.labels("", "", "", status).inc()

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, labels: list[str]) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, labels: list[str]) -> Histogram:
        return Histogram(name, about, labels, buckets=_SECONDS, registry=self.registry)
