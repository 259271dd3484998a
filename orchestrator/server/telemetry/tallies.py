"""Counters and histograms that every request counts in: an entry of a dictionary, and no lock.

prometheus_client's own check their labels and take a lock for every number, which costs a request a
tenth of its time. These count in the one thread that answers requests, and that scrapes, too.
"""

import time
from bisect import bisect_left
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Labels = tuple[Hashable, ...]
"""Their values, in the order of a metric's names for them; what is no text is told as one."""


class Tally(Collector):
    """A counter."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._entries: dict[Labels, list[float]] = {}
        """Each with its number, and when it was counted first."""

    def add(self, labels: Labels, number: float = 1.0) -> None:
        """Count."""
        entry = self._entries.get(labels)
        if entry is None:
            entry = self._entries[labels] = [0.0, time.time()]
        entry[0] += number

    @property
    def numbers(self) -> Mapping[Labels, float]:
        """What has been counted so far."""
        return {labels: number for labels, (number, _) in self._entries.items()}

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for labels, (number, created) in self._entries.items():
            family.add_metric([str(one) for one in labels], number, created)
        yield family


@dataclass(slots=True)
class _Spread:
    """What was measured under the same labels."""

    counts: list[int]
    """In each bucket alone."""
    created: float
    total: float = 0.0


class Spread(Collector):
    """A histogram."""

    def __init__(
        self, name: str, about: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> None:
        """`buckets` are their upper bounds, in rising order; there is one more above them."""
        self._name = name
        self._about = about
        self._labels = labels
        self._bounds = tuple(map(float, buckets))
        self._entries: dict[Labels, _Spread] = {}

    def add(self, labels: Labels, measured: float) -> None:
        """Count a measurement."""
        entry = self._entries.get(labels)
        if entry is None:
            entry = self._entries[labels] = _Spread([0] * (len(self._bounds) + 1), time.time())
        entry.counts[bisect_left(self._bounds, measured)] += 1
        entry.total += measured

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        family = HistogramMetricFamily(self._name, self._about, labels=self._labels)
        bounds = [*map(str, self._bounds), "+Inf"]
        for labels, entry in self._entries.items():
            words = [str(one) for one in labels]
            sums = accumulate(entry.counts)
            family.add_metric(words, list(zip(bounds, sums, strict=True)), entry.total)
            told = dict(zip(self._labels, words, strict=True))
            family.add_sample(f"{self._name}_created", told, entry.created)
        yield family
