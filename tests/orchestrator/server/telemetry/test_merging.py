"""Several pages become one that Prometheus' own parser reads, with every sample once."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.server.telemetry.merging import merged

LABEL = st.text(max_size=6)
SLOTS = st.text('ab-0\\"\n', min_size=1, max_size=6)
NUMBERS = st.lists(st.tuples(LABEL, st.integers(1, 5)), max_size=3)


@st.composite
def pages(draw: st.DrawFn) -> str:
    registry = CollectorRegistry()
    counter = Counter("vllm:tokens", "Tokens.\nAll.", ["model"], registry=registry)
    gauge = Gauge("vllm:running", "No labels.", registry=registry)
    times = Histogram("vllm:time_seconds", "Time.", ["model"], registry=registry)
    Counter("python_gc", "Not to be passed on.", registry=registry).inc()
    for model, number in draw(NUMBERS):
        counter.labels(model).inc(number)
        times.labels(model).observe(number)
    gauge.set(draw(st.integers(0, 9)))
    return generate_latest(registry).decode()


def _samples(page: str) -> list[tuple[str, dict[str, str], float]]:
    families = text_string_to_metric_families(page)
    return [(s.name, dict(s.labels), s.value) for family in families for s in family.samples]


def _key(sample: tuple[str, dict[str, str], float]) -> Any:
    return sample[0], sorted(sample[1].items()), sample[2]


@given(st.dictionaries(SLOTS, pages(), max_size=3))
def test_every_sample_is_there_with_its_slot(found: dict[str, str]) -> None:
    whole = merged(found, "slot", "vllm:")
    expected = [
        (name, {**labels, "slot": slot}, value)
        for slot, page in found.items()
        for name, labels, value in _samples(page)
        if name.startswith("vllm:")
    ]
    assert sorted(_samples(whole), key=_key) == sorted(expected, key=_key)
    heads = [line for line in whole.split("\n") if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))


LINES = st.sampled_from(
    ["vllm:x 1", "vllm:x{} 1", 'vllm:x{a="}"} 1', "# TYPE vllm:x gauge", "# HELP vllm:y", "vllm:"]
)


@given(st.lists(LINES | st.text()).map("\n".join))
def test_whatever_a_slot_sends_only_its_engines_metrics_are_passed_on(page: str) -> None:
    for line in filter(None, merged({"s": page}, "slot", "vllm:").split("\n")):
        assert line.startswith(("vllm:", "# HELP vllm:", "# TYPE vllm:"))
        assert line.startswith("#") or 'slot="s"' in line
