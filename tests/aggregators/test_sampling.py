"""Samples: how many calls there are, and the seed of each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aggregators.base import Panel
from aggregators.sampling import MOST_SAMPLES, UNSEEDED, SamplingConfig, derived_seed, sampled
from experts.types import Request

HALF = 2**63
SEEDS = st.integers(-HALF, HALF - 1) | st.sampled_from([-HALF, -3, -2, 0, HALF - 2, HALF - 1])


@given(SEEDS.filter(lambda seed: seed != UNSEEDED), st.integers(1, 4 * MOST_SAMPLES))
def test_seeds_differ_stay_in_range_and_are_never_none(seed: int, count: int) -> None:
    seeds = [derived_seed(seed, number) for number in range(count)]
    assert seeds[0] == seed
    assert len(set(seeds)) == count
    assert all(-HALF <= one < HALF and one != UNSEEDED for one in seeds)


@given(st.integers(0, MOST_SAMPLES))
def test_who_wants_no_seed_gets_none(number: int) -> None:
    assert derived_seed(UNSEEDED, number) == UNSEEDED


def test_the_largest_seed_wraps() -> None:
    assert [derived_seed(HALF - 1, number) for number in range(3)] == [HALF - 1, 0, 1]


def test_null_is_no_seed_and_no_temperature() -> None:
    request = Request("r", "completions", {"prompt": "x", "seed": None, "temperature": None})
    assert dict(sampled(request, 2, 0.5).body) == {"prompt": "x", "seed": 2, "temperature": 0.5}


def test_every_expert_is_asked_before_any_is_asked_twice() -> None:
    request = Request("r", "completions", {"prompt": "x", "seed": HALF - 2})
    calls = SamplingConfig(samples=2).calls(request, Panel(("a", "b")))
    assert [call.expert for call in calls] == ["a", "b", "a", "b"]
    assert [call.request.body["seed"] for call in calls] == [HALF - 2, HALF - 1, 0, 1]


def test_who_is_on_the_panel_again_gets_a_seed_and_a_temperature() -> None:
    request = Request("r", "completions", {"prompt": "x", "temperature": 0})
    calls = SamplingConfig().calls(request, Panel(("a", "b", "a", "a")))
    assert [call.expert for call in calls] == ["a", "b", "a", "a"]
    assert calls[0].request is calls[1].request is request
    again = [(call.request.body["seed"], call.request.body["temperature"]) for call in calls[2:]]
    assert again == [(1, 0.7), (2, 0.7)]
