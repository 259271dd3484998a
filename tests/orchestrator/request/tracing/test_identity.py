"""W3C Trace Context: what is valid is understood and passed on, what is not is as if unsaid."""

import re

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.request.tracing.identity import Identity, is_drawn, read_identity, with_span

HEX = "0123456789abcdef"
TRACE_IDS = st.text(HEX, min_size=32, max_size=32).filter(lambda text: int(text, 16))
SPAN_IDS = st.text(HEX, min_size=16, max_size=16).filter(lambda text: int(text, 16))
FLAGS = st.integers(0, 3)


@given(TRACE_IDS, SPAN_IDS, FLAGS)
def test_what_is_written_is_read(trace_id: str, span_id: str, flags: int) -> None:
    headers = Identity(trace_id, flags=flags, state="a=1").headers(span_id)
    found = read_identity(headers["traceparent"], headers["tracestate"])
    assert found == Identity(trace_id, span_id, flags, "a=1")


@given(st.text() | st.text("0123456789abcdefABCDEFg-", max_size=60))
def test_anything_is_read_or_ignored(text: str) -> None:
    found = read_identity(text)
    if found is not None:
        assert re.fullmatch(r"[0-9a-f]{32}", found.trace_id)
        assert found.parent_id is not None
        assert int(found.trace_id, 16)
        assert int(found.parent_id, 16)


@given(TRACE_IDS, SPAN_IDS)
def test_what_the_specification_forbids_is_ignored(trace_id: str, span_id: str) -> None:
    assert read_identity(f"ff-{trace_id}-{span_id}-01") is None
    assert read_identity(f"00-{'0' * 32}-{span_id}-01") is None
    assert read_identity(f"00-{trace_id}-{'0' * 16}-01") is None
    assert read_identity(f"00-{trace_id}-{span_id}-01-more") is None
    assert read_identity(f"00-{trace_id}-{span_id}") is None
    upper = trace_id.upper()
    assert upper == trace_id or read_identity(f"00-{upper}-{span_id}-01") is None


@given(TRACE_IDS, SPAN_IDS)
def test_a_later_version_is_read_as_far_as_it_is_known(trace_id: str, span_id: str) -> None:
    found = read_identity(f"cc-{trace_id}-{span_id}-09-what-follows")
    assert found == Identity(trace_id, span_id, 1)


def test_a_long_tracestate_is_left_out() -> None:
    found = read_identity(f"00-{'1' * 32}-{'2' * 16}-01", "a=" + "b" * 600)
    assert found is not None
    assert found.state == ""


@given(TRACE_IDS, SPAN_IDS, FLAGS, st.floats(0, 1))
def test_the_caller_decides_whether_there_are_spans(
    trace_id: str, span_id: str, flags: int, sample: float
) -> None:
    found = with_span(Identity(trace_id, span_id, flags), sample)
    assert (found.trace_id, found.parent_id, found.flags) == (trace_id, span_id, flags)
    assert found.span_id not in (None, span_id)


@given(TRACE_IDS, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_all_of_a_smaller_one(trace_id: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert is_drawn(trace_id, small) <= is_drawn(trace_id, large)
    assert not is_drawn(trace_id, 0)
    assert is_drawn(trace_id, 1)


def test_a_share_of_new_traces_is_sampled() -> None:
    sampled = sum(with_span(None, 0.25).sampled for _ in range(4000))
    assert 850 < sampled < 1150
