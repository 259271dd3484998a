"""vLLM's own metrics, kept for each engine by itself: several engines share a slot's process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from vllm.v1.metrics.loggers import PrometheusStatLogger

_PARTS = ("_spec_decoding_cls", "_kv_connector_cls", "_ec_connector_cls", "_perf_metrics_cls")
"""What makes metrics of its own inside vLLM's logger."""


def counting_into(registry: CollectorRegistry) -> type[PrometheusStatLogger]:
    """A logger of statistics for one engine that is vLLM's own, but for where it keeps them.

    VLLM's keeps them in the process' registry, from which each engine that starts removes those of
    the one before.
    """
    kinds = {
        "_gauge_cls": staticmethod(partial(Gauge, registry=registry)),
        "_counter_cls": staticmethod(partial(Counter, registry=registry)),
        "_histogram_cls": staticmethod(partial(Histogram, registry=registry)),
    }
    parts = {name: type(name, (getattr(PrometheusStatLogger, name),), kinds) for name in _PARTS}
    return type("EngineStatLogger", (PrometheusStatLogger,), {**kinds, **parts})


@dataclass(frozen=True, slots=True)
class Page:
    """The metrics of several engines as one page of Prometheus' text format."""

    registries: Mapping[str, CollectorRegistry]
    """By the expert whose engine it is."""

    def text(self) -> bytes:
        """Each sample has the label `expert`; an adapter's requests are counted at its base."""
        return bytes(generate_latest(self))

    def collect(self) -> Iterator[Metric]:
        """Every metric once, with the samples of all engines."""
        found: dict[str, Metric] = {}
        for expert, registry in self.registries.items():
            for metric in registry.collect():
                whole = found.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                whole.samples += [
                    sample._replace(labels={"expert": expert, **sample.labels})
                    for sample in metric.samples
                ]
        yield from found.values()
