"""Calls in order, more of them, the busiest of them, and tokens that nobody told."""

from hypothesis import given
from hypothesis import strategies as st

from evals.benchmarks.sizing.traffic import Call, Traffic, busiest, in_order, times, with_tokens


def traffic(*at_s: float) -> Traffic:
    calls = tuple(Call(at, "law", "interactive", 1, 1) for at in at_s)
    return Traffic("made", len(calls), calls)


def test_calls_are_counted_from_the_first_one() -> None:
    calls = in_order([Call(12.0, "b", "batch"), Call(10.0, "a", "batch")])
    assert [(call.at_s, call.expert) for call in calls] == [(0.0, "a"), (2.0, "b")]
    assert in_order([]) == ()


def test_three_times_the_traffic_comes_in_a_third_of_the_time() -> None:
    more = times(traffic(0.0, 3.0, 6.0), 3.0)
    assert [call.at_s for call in more.calls] == [0.0, 1.0, 2.0]
    assert more.rate == 1.5
    assert "taken 3 times" in more.notes[0]
    assert times(traffic(0.0, 3.0), 1.0) == traffic(0.0, 3.0)


def test_the_busiest_calls_are_kept() -> None:
    kept = busiest(traffic(0.0, 10.0, 11.0, 12.0, 30.0), 3)
    assert [call.at_s for call in kept.calls] == [0.0, 1.0, 2.0]
    assert kept.requests == 3
    assert "busiest 3" in kept.notes[0]
    assert busiest(traffic(0.0, 1.0), 2) == traffic(0.0, 1.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.integers(1, 30))
def test_no_other_calls_in_a_row_come_in_less_time(at_s: list[float], most: int) -> None:
    whole = Traffic("made", len(at_s), in_order([Call(at, "a", "batch") for at in at_s]))
    kept = busiest(whole, most)
    count = len(kept.calls)
    assert count == min(most, len(at_s))
    ordered = sorted(at_s)
    spans = [ordered[n + count - 1] - ordered[n] for n in range(len(ordered) - count + 1)]
    assert kept.span_s <= min(spans) + 1e-6


def test_untold_tokens_are_those_of_the_experts_others() -> None:
    told = [Call(0.0, "law", "batch", 10, 30), Call(1.0, "law", "batch", 20, 50)]
    other = Call(2.0, "art", "batch", 60, 70)
    untold = [Call(3.0, "law", "batch"), Call(4.0, "new", "batch", 5)]
    found = with_tokens(Traffic("made", 5, (*told, other, *untold)))
    assert [(c.prompt_tokens, c.completion_tokens) for c in found.calls[3:]] == [(15, 40), (5, 50)]
    assert "2 calls" in found.notes[0]
    assert with_tokens(Traffic("made", 1, (untold[0],))).notes == ()
