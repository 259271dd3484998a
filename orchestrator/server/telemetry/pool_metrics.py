"""The pool as Prometheus sees it: read from its snapshot whenever somebody scrapes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

GIB = 1 << 30

# Metric, key of the snapshot's entry, factor to the base unit, what it tells.
_ENGINE_COUNTERS = (
    ("coterie_loads", "count", "Loads of an engine into a slot."),
    ("coterie_engine_load_seconds", "seconds", "Time that loads into slots took."),
    ("coterie_evictions", "evictions", "Times that an engine left a slot."),
    ("coterie_load_failures", "failures", "Loads that failed."),
    ("coterie_saved_loads", "saved", "Loads that first-come with LRU had needed beyond ours."),
)
_ENGINE_GAUGES = (
    ("coterie_load_estimate_seconds", "load_s", 1, "What a load takes, as far as it is known."),
    ("coterie_wake_estimate_seconds", "wake_s", 1, "What a wake takes, as far as it is known."),
    ("coterie_queue_depth", "waiting", 1, "Requests that wait for an engine."),
    ("coterie_queue_oldest_seconds", "oldest_s", 1, "How long the first of them has waited."),
    ("coterie_leaked_bytes", "leaked_gb", GIB, "Memory that an engine left behind."),
)
_SLOT_GAUGES = (
    ("coterie_slot_engines", "engines", 1, "Engines in a slot, those on their way in or out too."),
    ("coterie_slot_memory_bytes", "memory_gb", GIB, "Memory of a slot in use."),
    ("coterie_slot_budget_bytes", "budget_gb", GIB, "Memory that a slot may use."),
    ("coterie_slot_up", "up", 1, "Whether the slot's process runs."),
)
_SLOT_COUNTERS = (
    ("coterie_slot_restarts", "restarts", "Times that a slot's process died."),
    ("coterie_slot_cuts", "cuts", "Times that nobody reached a slot."),
    ("coterie_slot_asks", "asks", "Times that a slot was asked for because requests waited."),
)
_STATES = {"closed": 0, "half open": 1, "open": 2}


class PoolCollector(Collector):
    """Engines and slots of one pool."""

    def __init__(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        self._snapshot = snapshot
        self._highest: dict[tuple[str, str], float] = {}

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        shown = self._snapshot()
        engines: Mapping[str, Mapping[str, Any]] = shown["loads"]
        every = {slot["id"]: {**slot, "engines": len(slot["replicas"])} for slot in shown["slots"]}
        slots = {name: slot for name, slot in every.items() if slot["wanted"]}
        queued = GaugeMetricFamily(
            "coterie_queued", "Requests that wait for an expert, ours or remote.", labels=["expert"]
        )
        for name, count in shown["queued"].items():
            queued.add_metric([name], float(count))
        yield from (queued, *_slot_counts(every))
        for name, key, about in _ENGINE_COUNTERS:
            counter = CounterMetricFamily(name, about, labels=["engine"])
            for engine, entry in engines.items():
                counter.add_metric([engine], self._never_less(name, engine, entry[key]))
            yield counter
        for label, entries, gauges in (
            ("engine", engines, _ENGINE_GAUGES),
            ("slot", slots, _SLOT_GAUGES),
        ):
            for name, key, factor, about in gauges:
                gauge = GaugeMetricFamily(name, about, labels=[label])
                for owner, entry in entries.items():
                    gauge.add_metric([owner], float(entry[key]) * factor)
                yield gauge

    def _never_less(self, name: str, engine: str, value: float) -> float:
        """Saved loads may shrink again; a counter that does is taken for a restart."""
        self._highest[name, engine] = max(value, self._highest.get((name, engine), 0.0))
        return self._highest[name, engine]


def _slot_counts(slots: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """Of all slots that there may be."""
    wanted = GaugeMetricFamily(
        "coterie_slot_wanted", "Whether there should be this slot now.", labels=["slot"]
    )
    for name, slot in slots.items():
        wanted.add_metric([name], float(slot["wanted"]))
    yield wanted
    for metric, key, about in _SLOT_COUNTERS:
        counter = CounterMetricFamily(metric, about, labels=["slot"])
        for name, slot in slots.items():
            counter.add_metric([name], float(slot[key]))
        yield counter


class BreakerCollector(Collector):
    """The breakers of this gateway: each has its own, where several share a pool."""

    def __init__(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        yield from _breakers(self._snapshot()["breakers"])


def _breakers(entries: Mapping[str, Mapping[str, Any]]) -> tuple[Metric, Metric]:
    state = GaugeMetricFamily(
        "coterie_breaker_state",
        "Whether an expert is asked: 0 it is, 1 a few try it, 2 it is not.",
        labels=["expert"],
    )
    opened = CounterMetricFamily(
        "coterie_breaker_opened",
        "Times that an expert has failed too often, and was asked no more for a while.",
        labels=["expert"],
    )
    for expert, entry in entries.items():
        state.add_metric([expert], float(_STATES[entry["state"]]))
        opened.add_metric([expert], float(entry["opened"]))
    return state, opened
