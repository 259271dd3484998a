"""Our own counters and histograms tell what prometheus_client's would tell."""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from orchestrator.server.telemetry.tallies import Spread, Tally

ABOUT, LABELS, BUCKETS = "What it is.", ["expert", "status"], (0.5, 1, 2.5)
LABELLED = st.tuples(st.sampled_from(["a", 'b"\n']), st.sampled_from([200, 503, None]))
NOON = 43200.0


@given(st.lists(st.tuples(LABELLED, st.integers(0, 9))))
def test_a_tally_is_told_as_a_counter(counted: list[tuple[tuple[str, int | None], int]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("coterie_x", ABOUT, LABELS)
    ours.register(tally)
    with patch("time.time", return_value=NOON):
        counter = Counter("coterie_x", ABOUT, LABELS, registry=theirs)
        for labels, number in counted:
            tally.add(labels, number)
            counter.labels(*labels).inc(number)
    assert generate_latest(ours) == generate_latest(theirs)
    assert sum(tally.numbers.values()) == sum(number for _, number in counted)


@given(st.lists(st.tuples(LABELLED, st.sampled_from([0.0, 0.5, 0.75, 1.0, 2.5, 3.0]))))
def test_a_spread_is_told_as_a_histogram(
    measured: list[tuple[tuple[str, int | None], float]],
) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spread = Spread("coterie_x", ABOUT, LABELS, BUCKETS)
    ours.register(spread)
    with patch("time.time", return_value=NOON):
        histogram = Histogram("coterie_x", ABOUT, LABELS, buckets=BUCKETS, registry=theirs)
        for labels, number in measured:
            spread.add(labels, number)
            histogram.labels(*labels).observe(number)
    assert generate_latest(ours) == generate_latest(theirs)
