"""A step's budget of tokens follows what steps cost."""

from hypothesis import given
from hypothesis import strategies as st

from experts.vllm.step_budget import FEWEST, FIRST, StepBudget


def test_before_a_step_was_measured_it_is_careful() -> None:
    assert StepBudget(0.25, 2048).tokens(running=0) == FIRST


def test_a_slow_engine_reads_as_much_as_fits_into_the_time() -> None:
    budget = StepBudget(0.25, 2048)
    for _ in range(20):
        tokens = budget.tokens(running=1)
        budget.measured(tokens, tokens * 0.005)
    assert budget.tokens(running=1) == 50


def test_a_quick_engine_is_not_bounded() -> None:
    budget = StepBudget(0.25, 2048)
    budget.measured(FIRST, 0.001)
    assert budget.tokens(running=1) == 2048


def test_steps_of_a_few_tokens_tell_nothing() -> None:
    budget = StepBudget(0.25, 2048)
    budget.measured(1, 0.1)
    assert budget.tokens(running=0) == FIRST


@given(
    st.integers(1, 4096),
    st.lists(st.tuples(st.integers(1, 4096), st.floats(0, 100))),
    st.integers(0, 512),
)
def test_every_running_request_has_its_token(
    most: int, steps: list[tuple[int, float]], running: int
) -> None:
    budget = StepBudget(0.25, most)
    for tokens, seconds in steps:
        budget.measured(tokens, seconds)
    assert min(running + FEWEST, most) <= budget.tokens(running) <= most


@given(st.integers(1, 4096), st.lists(st.tuples(st.integers(1, 4096), st.floats(0, 100))))
def test_a_prompt_that_cannot_be_cut_fits_into_every_step(
    longest: int, steps: list[tuple[int, float]]
) -> None:
    budget = StepBudget(0.25, 4096, longest)
    for tokens, seconds in steps:
        budget.measured(tokens, seconds)
    assert longest <= budget.tokens(running=0) <= 4096
