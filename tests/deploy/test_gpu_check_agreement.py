"""When two computations of a model count as the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.gpu_check.agreement import Tally, distance, first_difference, regret

LOGITS = st.lists(st.floats(-30, 30), min_size=3, max_size=3)
IMPOSSIBLE = (-9999.0, -math.inf)


@given(LOGITS, LOGITS, st.floats(-5, 5))
def test_the_distance_is_between_0_and_1_symmetric_and_blind_to_a_constant(
    left: list[float], right: list[float], shift: float
) -> None:
    found = distance(left, right)

    assert 0 <= found <= 1 + 1e-9
    assert found == pytest.approx(distance(right, left))
    assert found == pytest.approx(distance([x + shift for x in left], right), abs=1e-9)
    assert distance(left, left) == 0


def test_tokens_that_cannot_be_sampled_are_alike() -> None:
    first, second = IMPOSSIBLE

    assert distance([0.0, first, -1.0], [0.0, second, -1.0]) == 0
    assert distance([0.0, first], [0.0, 0.0]) == pytest.approx(0.5)


def test_half_the_mass_elsewhere_is_a_half() -> None:
    half = math.log(0.5)

    assert distance([half, half, -math.inf], [half, -math.inf, half]) == pytest.approx(0.5)


def test_a_missing_number_is_no_agreement() -> None:
    with pytest.raises(ValueError, match="missing"):
        distance([0.0, math.nan], [0.0, 0.0])


@given(LOGITS, st.integers(0, 2))
def test_only_the_best_token_has_no_regret(log_probs: list[float], token: int) -> None:
    found = regret(log_probs, token)

    assert found >= 0
    assert (found == 0) == (log_probs[token] == max(log_probs))


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0, 3))
def test_answers_part_at_the_first_token_that_differs(answer: list[int], place: int) -> None:
    other = [*answer[:place], answer[place] + 1, *(9 for _ in answer[place + 1 :])]

    assert first_difference(answer, other) == place
    assert first_difference(answer, answer) is None


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_tally_passes_where_enough_prompts_are_within_the_bound(
    differences: list[float], bound: float, share: float
) -> None:
    tally = Tally(bound, share)
    for difference in differences:
        tally.add(difference)

    within = sum(difference <= bound for difference in differences) / len(differences)
    assert tally.passed == (within >= share)
    assert tally.figures()["worst"] == max(differences)


def test_nothing_compared_and_not_a_number_do_not_pass() -> None:
    tally = Tally(1.0, 0.5)
    assert not tally.passed
    tally.add(math.nan)
    assert not tally.passed
