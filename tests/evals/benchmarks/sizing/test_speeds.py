"""What calls take: measured from made-up services whose speed is known, given, or derived."""

import pytest

from evals.benchmarks.sizing.speeds import (
    BATCHING,
    HBM_GB_S,
    OF_BANDWIDTH,
    PROMPT_RATIOS,
    STEP_S,
    Given,
    Speeds,
    find_speeds,
    measured_calls,
)
from evals.benchmarks.sizing.traffic import Call, Traffic
from experts.errors import ConfigError

WEIGHTS = {"law": 14.0, "tiny": 0.001}
ENGINES = {"law": 0, "tiny": 1}


def served(at_s: float, seconds: float, tokens: int = 100, expert: str = "law") -> Call:
    return Call(at_s, expert, "interactive", 0, tokens, 0.0, seconds, "slot-0")


def traffic(*calls: Call) -> Traffic:
    return Traffic("made", len(calls), calls)


def test_calls_that_ran_alone_say_how_fast_an_expert_is() -> None:
    alone = [served(10.0 * n, 2.0) for n in range(6)]
    found = find_speeds(traffic(*alone), ENGINES, WEIGHTS, Given(), on_gpu=False)
    assert found.token_s["law"] == pytest.approx(0.02)
    assert found.batching == BATCHING  # Nobody was ever beside anybody.
    assert "50 tokens/s, as the trace has measured 1 of 1" in found.notes[0]


def test_how_many_its_engine_has_is_a_mean_over_a_calls_time() -> None:
    calls = [served(0.0, 4.0), served(1.0, 2.0), served(2.0, 1.0)]
    found = measured_calls(calls, ENGINES, 20.0)
    assert [one.company for one in found] == [1.75, 2.5, 3.0]
    assert [one.engines for one in found] == [1.0, 1.0, 1.0]


def test_engines_take_turns_so_that_each_has_a_share_of_its_time() -> None:
    calls = [served(0.0, 4.0), served(1.0, 2.0, expert="tiny"), served(2.0, 1.0)]
    found = measured_calls(calls, ENGINES, 20.0)
    assert [one.company for one in found] == [1.25, 1.0, 2.0]
    assert [one.engines for one in found] == [1.5, 2.0, 2.0]
    assert found[1].piece_s == pytest.approx(0.01)


def test_a_slot_that_was_full_says_what_company_gains() -> None:
    alone = [served(100.0 * n, 2.0) for n in range(6)]
    # Forty at once, which take 16 s each: the slot has served as many as five of them alone.
    crowd = [served(1000.0, 16.0) for _ in range(40)]
    found = find_speeds(traffic(*alone, *crowd), ENGINES, WEIGHTS, Given(), on_gpu=False)
    assert found.token_s["law"] == pytest.approx(0.02)
    assert found.batching == pytest.approx(5.0)
    assert "5.0 times that: measured" in found.notes[1]


def test_a_slot_that_was_never_full_says_only_that_it_gains_as_much() -> None:
    alone = [served(100.0 * n, 2.0) for n in range(6)]
    together = [served(1000.0, 2.0) for _ in range(30)]
    found = find_speeds(traffic(*alone, *together), ENGINES, WEIGHTS, Given(), on_gpu=False)
    assert found.batching == pytest.approx(30.0)
    assert "at least" in found.notes[1]


def test_what_is_given_counts_before_what_was_measured() -> None:
    alone = [served(10.0 * n, 2.0) for n in range(6)]
    found = find_speeds(traffic(*alone), ENGINES, WEIGHTS, Given(100.0, 8.0), on_gpu=True)
    assert (found.token_s["law"], found.batching) == (0.01, 8.0)


def test_on_a_gpu_weights_say_how_fast_an_expert_writes() -> None:
    calls = (Call(0.0, "law", "batch"), Call(1.0, "tiny", "batch"))
    found = find_speeds(traffic(*calls), ENGINES, WEIGHTS, Given(), on_gpu=True)
    assert found.token_s["law"] == pytest.approx(14.0 * 2**30 / (OF_BANDWIDTH * HBM_GB_S * 1e9))
    assert found.token_s["tiny"] == STEP_S
    assert "Not measured" in found.notes[0]


@pytest.mark.parametrize(("on_gpu", "says"), [(False, "on a CPU"), (True, "not on this machine")])
def test_where_nothing_says_it_it_is_asked_for(on_gpu: bool, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        find_speeds(traffic(Call(0.0, "law", "batch")), ENGINES, {}, Given(), on_gpu)
    assert "--tokens-per-s" in str(caught.value)


def test_company_helps_writing_and_not_reading() -> None:
    speeds = Speeds({"law": 0.02}, batching=10.0, prompt_ratio=20.0)
    needs = speeds.needs(Call(0.0, "law", "batch", 200, 100))
    assert needs.alone_s == pytest.approx(0.02 * (100 + 10))
    assert needs.work_s == pytest.approx(0.02 * (10 + 10))


def test_an_embedding_takes_a_step_at_least() -> None:
    speeds = Speeds({"law": 0.02}, batching=10.0, prompt_ratio=PROMPT_RATIOS["cpu"])
    needs = speeds.needs(Call(0.0, "law", "batch", 2, 0))
    assert needs.alone_s == needs.work_s == 0.02
