"""Stop strings, sampling and alignment, each by itself."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experts.fused.torch_engine.sampling import Sampler, Sampling
from experts.fused.torch_engine.stops import Stops
from experts.fused.training.reading import align

NOBODY: frozenset[int] = frozenset()


@given(
    st.lists(st.text("ab", max_size=4), max_size=8),
    st.lists(st.text("ab", min_size=1, max_size=3), max_size=3),
)
def test_stops_cut_where_the_first_one_is_complete(pieces: list[str], stops: list[str]) -> None:
    held, shown, stopped = Stops(tuple(stops)), "", False
    read = ""
    for piece in pieces:
        read += piece
        text, stopped = held.add(piece)
        shown += text
        if stopped:
            break
    complete = [at for stop in stops if (at := read.find(stop)) >= 0]
    assert stopped == bool(complete)
    if stopped:
        assert shown == read[: min(complete)]
    else:
        assert shown + held.rest() == "".join(pieces)


def shares(how: Sampling, draws: int = 4000) -> list[float]:
    log_probs = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    counts = torch.zeros(4)
    sampler = Sampler(how, (), NOBODY)
    for _ in range(draws):
        counts[sampler.pick(log_probs)] += 1
    return (counts / draws).tolist()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Sampling(seed=1), [0.5, 0.3, 0.15, 0.05]),
        (Sampling(seed=1, top_k=2), [0.625, 0.375, 0, 0]),
        (Sampling(seed=1, top_p=0.81), [0.526, 0.316, 0.158, 0]),
        (Sampling(seed=1, min_p=0.5), [0.625, 0.375, 0, 0]),
        (Sampling(seed=1, temperature=0), [1, 0, 0, 0]),
        (Sampling(seed=1, temperature=0.5), [0.685, 0.247, 0.0616, 0.0068]),
    ],
)
def test_draws_follow_the_parameters(how: Sampling, expected: list[float]) -> None:
    assert shares(how) == pytest.approx(expected, abs=0.03)


def test_penalties_look_at_what_was_said() -> None:
    log_probs = torch.tensor([0.5, 0.3, 0.2]).log()
    greedy = {"temperature": 0.0}
    assert Sampler(Sampling(**greedy, repetition_penalty=3.0), (0,), NOBODY).pick(log_probs) == 1
    present = Sampler(Sampling(**greedy, presence_penalty=1.0), (), NOBODY)
    assert [present.pick(log_probs) for _ in range(3)] == [0, 1, 2]
    held = Sampler(Sampling(**greedy, min_tokens=1), (), frozenset({0}))
    assert [held.pick(log_probs) for _ in range(2)] == [1, 0]


def test_a_seed_repeats() -> None:
    log_probs = torch.zeros(50)
    first, again = (
        [sampler.pick(log_probs) for _ in range(9)]
        for sampler in (Sampler(Sampling(seed=3), (), NOBODY) for _ in range(2))
    )
    assert first == again


@given(st.lists(st.integers(0, 30), min_size=1), st.lists(st.integers(1, 30)))
def test_nobody_hears_what_is_not_yet_said(speaker: list[int], listener: list[int]) -> None:
    own, other = sorted(speaker), [0, *sorted(listener)]
    for end, place in zip(own, align(own, other), strict=True):
        assert other[place] <= end
        assert place == len(other) - 1 or other[place + 1] > end
