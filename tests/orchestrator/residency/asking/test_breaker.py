"""When a breaker opens, half opens and closes, for any sequence of calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency.asking.breaker import Breaker, Rules, State

RULES = Rules(failures=3, share=0.5, window_s=10.0, open_s=4.0, open_max_s=60.0, trials=1)
MIDDLE = 0.5
"""The draw that makes a pause neither longer nor shorter."""


def _opened(rules: Rules = RULES) -> Breaker:
    breaker = Breaker(rules)
    for _ in range(rules.failures):
        breaker.failed(0.0, MIDDLE)
    assert breaker.state(0.0) is State.OPEN
    return breaker


def test_it_opens_with_the_failure_that_is_one_too_many() -> None:
    breaker = Breaker(RULES)
    assert [breaker.failed(float(n), MIDDLE) for n in range(3)] == [False, False, True]
    assert breaker.enter(3.0) == (False, None)
    assert breaker.retry_at == pytest.approx(2.0 + 4.0)


def test_failures_among_as_many_answers_do_not_open_it() -> None:
    breaker = Breaker(RULES)
    for n in range(30):
        breaker.succeeded(n / 10)
        assert not breaker.failed(n / 10, MIDDLE)
        breaker.succeeded(n / 10)
    assert breaker.state(3.0) is State.CLOSED


def test_what_is_older_than_the_window_is_forgotten() -> None:
    breaker = Breaker(RULES)
    breaker.failed(0.0, MIDDLE)
    breaker.failed(1.0, MIDDLE)
    assert not breaker.failed(11.5, MIDDLE)
    assert not breaker.calm(11.5)
    assert breaker.calm(22.0)


def test_answers_before_the_first_failure_do_not_delay_it() -> None:
    breaker = Breaker(RULES)
    for _ in range(1000):
        breaker.succeeded(0.0)
    assert [breaker.failed(1.0, MIDDLE) for _ in range(3)] == [False, False, True]


def test_after_the_pause_one_request_tries_and_its_answer_closes_it() -> None:
    breaker = _opened()
    assert breaker.state(4.0) is State.HALF_OPEN
    allowed, trial = breaker.enter(4.0)
    assert allowed
    assert trial is not None
    assert breaker.enter(4.0) == (False, None)  # One at a time.
    assert breaker.refuses(4.0)
    assert breaker.succeeded(4.5, trial)
    assert breaker.enter(4.5) == (True, None)
    assert breaker.calm(4.5)


def test_a_trial_that_nobody_waited_for_lets_the_next_one_try() -> None:
    breaker = _opened()
    _, trial = breaker.enter(4.0)
    assert trial is not None
    breaker.left(trial)
    assert breaker.enter(4.0)[0]


def test_each_trial_that_fails_doubles_the_pause_up_to_its_bound() -> None:
    breaker, now, pauses = _opened(), 4.0, []
    for _ in range(70):
        _, trial = breaker.enter(now)
        assert breaker.failed(now, MIDDLE, trial)
        pauses.append(breaker.retry_at - now)
        now = breaker.retry_at
    assert pauses[:4] == pytest.approx([8.0, 16.0, 32.0, 60.0])
    assert max(pauses) <= 60.0 + 1e-9
    assert breaker.opened == 71


def test_calls_that_began_before_it_opened_have_no_say() -> None:
    breaker = _opened()
    assert not breaker.succeeded(1.0)
    assert not breaker.failed(1.0, MIDDLE)
    _, trial = breaker.enter(4.0)
    assert not breaker.succeeded(4.0)  # Not the trial's.
    assert breaker.failed(4.0, MIDDLE, trial)
    _, second = breaker.enter(breaker.retry_at)
    assert not breaker.succeeded(breaker.retry_at, trial)  # An older trial's.
    assert breaker.succeeded(breaker.retry_at, second)


@given(st.floats(0, 1), st.floats(1, 100), st.floats(1, 100))
def test_a_pause_stays_within_its_spread_and_its_bound(
    draw: float, open_s: float, bound_s: float
) -> None:
    rules = Rules(2, 0.5, 10.0, open_s, max(open_s, bound_s), 1)
    breaker = Breaker(rules)
    breaker.failed(0.0, draw)
    breaker.failed(0.0, draw)
    assert min(0.75 * open_s, rules.open_max_s) <= breaker.retry_at <= rules.open_max_s
    assert breaker.retry_at <= 1.25 * open_s


EVENTS = st.lists(
    st.tuples(st.sampled_from(["enter", "ok", "bad", "left"]), st.floats(0, 5), st.floats(0, 1)),
    max_size=80,
)


@given(EVENTS, st.integers(1, 3))
def test_whatever_happens_trials_are_bounded_and_it_comes_back(
    events: list[tuple[str, float, float]], trials: int
) -> None:
    rules = Rules(3, 0.5, 10.0, 4.0, 60.0, trials)
    breaker, now = Breaker(rules), 0.0
    running: list[int | None] = []
    for what, after_s, draw in events:
        now += after_s
        if what == "enter":
            allowed, trial = breaker.enter(now)
            if allowed:
                running.append(trial)
            assert allowed or breaker.refuses(now)
        elif running:
            trial = running.pop(0)
            if what == "ok":
                breaker.succeeded(now, trial)
            elif what == "bad":
                breaker.failed(now, draw, trial)
            if trial is not None:
                breaker.left(trial)
        newest = max((trial for trial in running if trial is not None), default=0)
        assert running.count(newest) <= trials or newest == 0
        assert breaker.failures <= breaker.calls
    # Nobody is shut out for ever: when all that runs has ended, a request may try.
    for trial in running:
        if trial is not None:
            breaker.left(trial)
    assert breaker.enter(now + rules.open_max_s)[0]


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=60))
def test_it_opens_for_enough_failures_within_the_window_alone(
    calls: list[tuple[bool, float]],
) -> None:
    breaker, now, told = Breaker(RULES), 0.0, list[tuple[float, bool]]()
    for failed, after_s in calls:
        now += after_s
        told.append((now, failed))
        if not failed:
            breaker.succeeded(now)
        elif breaker.failed(now, MIDDLE):
            # A bucket is as old as its first call: a tenth more may be remembered.
            wide = [one for at, one in told if at > now - 1.1 * RULES.window_s]
            assert sum(wide) >= RULES.failures
            return
        kept = [one for at, one in told if at > now - 0.9 * RULES.window_s]
        assert sum(kept) < RULES.failures or not all(kept)
