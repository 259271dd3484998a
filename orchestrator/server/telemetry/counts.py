"""Counts that others keep, as Prometheus sees them: read whenever somebody scrapes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Counts(Collector):
    """One metric with one label, of which each value has a number."""

    name: str
    about: str
    label: str
    read: Callable[[], Mapping[str, float]]
    grows: bool = True
    """Whether it is a counter."""

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        kind = CounterMetricFamily if self.grows else GaugeMetricFamily
        family = kind(self.name, self.about, labels=[self.label])
        for value, number in self.read().items():
            family.add_metric([value], number)
        yield family
