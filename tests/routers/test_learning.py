"""A stream with a best expert that changes: the mixture recovers, and does no harm without one."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routers.base import Decision
from routers.learning import FITTED, Bandit, Draw, LearningConfig

CONFIG = LearningConfig()
Qualities = dict[str, float]


def decision(scores: Qualities) -> Decision:
    ordered = sorted(scores.items(), key=lambda scored: -scored[1])
    return Decision("auto", tuple(ordered), "as fitted.")


def stream(rounds: list[tuple[Qualities, Qualities]], seed: int) -> tuple[list[float], list[float]]:
    """What the mixture scores, and the fitted router alone; each round is (true, fitted)."""
    rng = Random(seed)
    mixture = Bandit.new(rounds[0][0], CONFIG)
    learned: list[float] = []
    alone: list[float] = []
    for number, (true, fitted) in enumerate(rounds):
        drawn = {name: float(rng.random() < chance) for name, chance in true.items()}
        _, asked = mixture.choose(decision(fitted), CONFIG, f"{seed}-{number}")
        learned.append(drawn[asked.expert])
        alone.append(drawn[max(fitted, key=fitted.__getitem__)])
        mixture = mixture.learn(asked, drawn[asked.expert], CONFIG)
    return learned, alone


@pytest.mark.parametrize("seed", range(5))
def test_it_recovers_when_the_best_expert_gets_worse(seed: int) -> None:
    fitted = {"a": 0.8, "b": 0.6, "c": 0.5}
    drifted = {"a": 0.2, "b": 0.6, "c": 0.3}
    rounds = [(fitted, fitted)] * 500 + [(drifted, fitted)] * 1000
    learned, alone = stream(rounds, seed)
    assert np.mean(learned[1000:]) > 0.5
    assert np.mean(alone[1000:]) < 0.3


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_specialist_is_passed_over_and_the_others_are_kept(seed: int) -> None:
    """Two kinds of questions; the specialist of one is broken, the next best there is not."""
    sums, cities = {"a": 0.9, "b": 0.1, "c": 0.6}, {"b": 0.9, "a": 0.1, "c": 0.5}
    broken = {**sums, "a": 0.1}
    rounds = [(broken, sums), (cities, cities)] * 1000
    learned, alone = stream(rounds, seed)
    assert np.mean(learned[1000:]) > 0.65
    assert np.mean(alone[1000:]) < 0.55


@pytest.mark.parametrize("seed", range(5))
def test_it_costs_little_where_the_fit_is_right(seed: int) -> None:
    sums, cities = {"a": 0.8, "b": 0.4, "c": 0.3}, {"b": 0.9, "a": 0.3, "c": 0.2}
    learned, alone = stream([(sums, sums), (cities, cities)] * 1000, seed)
    assert np.mean(learned) > np.mean(alone) - 0.05


def test_without_feedback_the_best_is_asked_nearly_always() -> None:
    mixture = Bandit.new("ab", CONFIG)
    asked = [
        mixture.choose(decision({"a": 0.9, "b": 0.3}), CONFIG, str(n))[1].expert for n in range(500)
    ]
    assert asked.count("a") > 480
    assert set(asked) == {"a", "b"}


def test_an_alarm_is_not_overruled() -> None:
    alarmed = Decision("auto", (("a", 0.1), ("b", 0.9)), "far", fallback="general")
    found, asked = Bandit.new("ab", CONFIG).choose(alarmed, CONFIG, "r")
    assert found is alarmed
    assert (asked.expert, asked.probability) == ("a", 1.0)


def test_who_was_drawn_is_said() -> None:
    mixture = Bandit({FITTED: 0.0, "only b": 1.0})
    found, asked = mixture.choose(decision({"a": 0.6, "b": 0.5}), CONFIG, "r")
    assert found.scores == (("b", 0.5), ("a", 0.6))
    assert found.reason == "b is asked because of earlier feedback. as fitted."
    assert asked == Draw("b", pytest.approx(0.99), ("only b",))


def test_an_expert_that_left_the_pool_is_not_asked() -> None:
    mixture = Bandit({FITTED: 0.1, "only gone": 0.9})
    assert mixture.choose(decision({"a": 0.6, "b": 0.5}), CONFIG, "r")[1].expert == "a"


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 99)), min_size=1, max_size=50))
def test_weights_stay_a_distribution(feedback: list[tuple[float, int]]) -> None:
    mixture = Bandit.new("abc", CONFIG)
    for score, number in feedback:
        _, asked = mixture.choose(decision({"a": 0.5, "b": 0.4, "c": 0.1}), CONFIG, str(number))
        mixture = mixture.learn(asked, score, CONFIG)
    assert sum(mixture.weights.values()) == pytest.approx(1)
    assert min(mixture.weights.values()) > 0
