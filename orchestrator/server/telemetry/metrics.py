"""What Prometheus can scrape of requests; labels are names of the configuration, and codes."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest

from orchestrator.request.context import RequestContext
from orchestrator.request.plan import Plan
from orchestrator.request.tracing.call import Call
from orchestrator.request.tracing.trace import Trace
from orchestrator.server.telemetry.counts import Counts
from orchestrator.server.telemetry.pool_metrics import BreakerCollector, PoolCollector
from orchestrator.server.telemetry.tallies import Spread, Tally
from routers.base import Decision

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
_TOKEN_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1)


class Spent(NamedTuple):
    """What an expert has been asked so far."""

    calls: float = 0.0
    """Those that have ended."""
    tokens: float = 0.0
    """Those that it wrote in them."""


class Metrics:
    """The counters of one server, in a registry of their own: a sink of traces."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_pool = CollectorRegistry()
        self.in_flight = 0
        ProcessCollector(registry=self.registry)
        about = Gauge("coterie_info", "The version.", ["version"], registry=self.registry)
        about.labels(version("coterie")).set(1)
        flying = Gauge("coterie_in_flight", "Requests under way.", registry=self.registry)
        flying.set_function(lambda: self.in_flight)
        self._make_counters()
        self._make_histograms()

    def _make_counters(self) -> None:
        self.requests = self._counter(
            "coterie_requests", "Requests by outcome.", ["model", "expert", "class", "status"]
        )
        self.broken_streams = self._counter(
            "coterie_broken_streams", "Streams that ended with an error.", ["expert"]
        )
        self.retries = self._counter(
            "coterie_retries", "New tries before the first token.", ["expert"]
        )
        self._decisions = self._counter(
            "coterie_decisions", "Decisions, by who is asked.", ["router", "expert"]
        )
        self._guards = self._counter(
            "coterie_guard_alarms", "Alarms of coverage guards.", ["router", "action"]
        )
        self._fallbacks = self._counter(
            "coterie_fallbacks",
            "Another expert than the router's best, by why: an error's code, or its price.",
            ["router", "preferred", "reason"],
        )
        self._budgets = self._counter(
            "coterie_budget_stops", "Calls stopped by a panel's budget.", ["model", "bound"]
        )
        self._calls = self._counter(
            "coterie_calls", "Calls to experts, each try by itself.", ["expert", "outcome"]
        )
        self._tokens = self._counter("coterie_tokens", "Tokens.", ["expert", "kind"])

    def _make_histograms(self) -> None:
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
        self._whole = self._histogram(
            "coterie_request_seconds", "From the request to the end of its answer.", by_class
        )
        self._token = self._histogram(
            "coterie_token_seconds",
            "Time of a call between its first token and its last, for each further one.",
            ["expert"],
            _TOKEN_SECONDS,
        )

    def watch(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        """Show the pool, too: `snapshot` is asked whenever somebody scrapes."""
        self._of_pool.register(PoolCollector(snapshot))
        self.registry.register(BreakerCollector(snapshot))

    def watch_number(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Show a number that others keep, too; it is read whenever somebody scrapes."""
        Gauge(name, about, registry=self.registry).set_function(read)

    def watch_counts(
        self,
        name: str,
        about: str,
        label: str,
        read: Callable[[], Mapping[str, float]],
        *,
        grows: bool = True,
    ) -> None:
        """Show numbers that others keep, too; they are read whenever somebody scrapes."""
        self.registry.register(Counts(name, about, label, read, grows))

    def write(self, context: RequestContext, trace: Trace) -> None:
        """Count a request that is over."""
        expert = trace.expert or ""
        # Without a plan the model is whatever the client wrote: no label for that.
        model = context.model if trace.plan or trace.source else ""
        outcome = (model, expert, context.request_class, trace.status)
        self.requests.add(outcome)
        for name, tries in trace.retries.items():
            self.retries.add((name,), tries)
        for bound, times in trace.budget_spent.items():
            self._budgets.add((model, bound), times)
        if trace.decision is not None and trace.plan is not None:
            self._count_decision(trace.decision, trace.plan, trace)
        for call in trace.made:
            self._count_call(call)
        for name, usage in trace.usage.items():
            self._tokens.add((name, "prompt"), usage.prompt_tokens)
            self._tokens.add((name, "completion"), usage.completion_tokens)
        if trace.first_byte_ms is None or trace.source is not None:
            return  # Of an answer that others got before, times tell nothing of its expert.
        if trace.error is not None:
            self.broken_streams.add((expert,))
        self._measure(expert, context.request_class, trace, trace.first_byte_ms)

    def _measure(self, expert: str, request_class: str, trace: Trace, first_byte_ms: float) -> None:
        if trace.decision is not None:
            self._route.add((trace.decision.router,), trace.route_ms / 1000)
        labels = (expert, request_class)
        self._queue.add(labels, trace.queue_ms / 1000)
        self._load.add(labels, trace.load_ms / 1000)
        self._slot_wait.add(labels, trace.slot_wait_ms / 1000)
        self._first_byte.add(labels, first_byte_ms / 1000)
        if trace.total_ms is not None:
            self._whole.add(labels, trace.total_ms / 1000)

    def _count_decision(self, decision: Decision, plan: Plan, trace: Trace) -> None:
        asked = plan.panel.experts if plan.panel is not None else (plan.expert or "",)
        for expert in dict.fromkeys(asked):
            self._decisions.add((decision.router, expert))
        if decision.fallback is not None:
            self._guards.add((decision.router, decision.fallback))
            return
        preferred = next(iter(trace.failed), plan.preferred)
        if plan.panel is None and plan.expert not in (None, preferred):
            reason = trace.fallback or "price"
            self._fallbacks.add((decision.router, preferred, reason))

    def _count_call(self, call: Call) -> None:
        self._calls.add((call.expert, call.error or "ok"))
        further = call.usage.completion_tokens - 1 if call.usage is not None else 0
        if call.error is None and further > 0 and call.first and call.ended:
            self._token.add((call.expert,), (call.ended - call.first) / further)

    def spent(self) -> dict[str, Spent]:
        """What each expert has been asked so far, and has written."""
        calls: dict[str, float] = defaultdict(float)
        tokens: dict[str, float] = defaultdict(float)
        for (expert, _), number in self._calls.numbers.items():
            calls[str(expert)] += number
        for (expert, kind), number in self._tokens.numbers.items():
            tokens[str(expert)] += number if kind == "completion" else 0.0
        return {name: Spent(calls[name], tokens[name]) for name in calls | tokens}

    def count_untraced(self, status: int) -> None:
        """Count a request that was refused before anything was known of it but its path."""
        self.requests.add(("", "", "", status))

    def text(self) -> bytes:
        """The exposition format: what this gateway has counted."""
        return generate_latest(self.registry)

    def pool_text(self) -> bytes:
        """What is known of the pool, which all its gateways know."""
        return generate_latest(self._of_pool)

    def _counter(self, name: str, about: str, labels: list[str]) -> Tally:
        tally = Tally(name, about, labels)
        self.registry.register(tally)
        return tally

    def _histogram(
        self, name: str, about: str, labels: list[str], buckets: tuple[float, ...] = _SECONDS
    ) -> Spread:
        spread = Spread(name, about, labels, buckets)
        self.registry.register(spread)
        return spread
