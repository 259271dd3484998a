"""Answers that were given again, as Prometheus sees them: read whenever somebody scrapes."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_COUNTERS = {
    "hits": ("coterie_cache_hits", "Requests that got an answer that was kept."),
    "misses": ("coterie_cache_misses", "Requests whose answer might have been kept, and was not."),
    "stored": ("coterie_cache_stored", "Answers that were kept."),
    "evicted": ("coterie_cache_evicted", "Answers that left for others, before their time."),
    "coalesced": ("coterie_coalesced", "Requests that got the answer of one under way."),
    "replays": ("coterie_idempotent_replays", "Retries that got the answer of the first request."),
}
_BYTES = "bytes"


class ReuseCollector(Collector):
    """What one gateway counts, and the bytes of the cache that all share."""

    def __init__(self, read: Callable[[], Mapping[str, float]]) -> None:
        """`read` gives the numbers that there are, by the names above, and `bytes`."""
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        found = self._read()
        for key, (name, about) in _COUNTERS.items():
            if key in found:
                yield CounterMetricFamily(name, about, value=found[key])
        if _BYTES in found:
            about = "What the kept answers take in the store, when one was put there last."
            yield GaugeMetricFamily("coterie_cache_bytes", about, value=found[_BYTES])
