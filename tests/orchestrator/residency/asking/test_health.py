"""Which failures of an expert count, when it is asked no more, and what is said of that."""

import logging

import pytest

from experts.errors import (
    BadOutput,
    BudgetSpent,
    ExpertError,
    ExpertLost,
    ExpertMisconfigured,
    ExpertPaused,
    ExpertRefused,
    ExpertTimeout,
)
from orchestrator.config.resilience.section import BreakerConfig
from orchestrator.residency.asking.health import Health, is_failure

LOST = ExpertLost("The connection broke.", expert="a")


def _refused(status: int, retry_after_s: float | None = None) -> ExpertRefused:
    return ExpertRefused("No.", expert="a", status=status, body={}, retry_after_s=retry_after_s)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(BreakerConfig(failures=2), clock, lambda: 0.5)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (LOST, True),
        (ExpertTimeout("Silent.", expert="a"), True),
        (BadOutput("No JSON.", expert="a"), True),
        (ExpertMisconfigured("Its key.", expert="a"), True),
        (_refused(500), True),
        (_refused(503), True),
        (_refused(400), False),
        (_refused(429), False),
        (BudgetSpent("Enough.", expert="a", budget="seconds"), False),
    ],
)
def test_a_failure_tells_of_the_expert_and_not_of_the_request(
    error: ExpertError, counts: bool
) -> None:
    assert is_failure(error) is counts


def test_one_broken_answer_changes_nothing(health: Health) -> None:
    health.failed("a", LOST)
    assert health.paused == ()
    assert health.enter("a") is None


def test_who_keeps_failing_is_not_asked_and_everybody_is_told_when_again(
    health: Health, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "coterie.residency")
    for _ in range(5):
        health.failed("a", LOST)
    health.failed("b", LOST)
    assert health.paused == ("a",)
    with pytest.raises(ExpertPaused, match="The connection broke") as caught:
        health.enter("a")
    assert caught.value.retry_after_s == pytest.approx(5.0)
    shown = health.snapshot("a")
    assert (shown["state"], shown["opened"], shown["retry_in_s"]) == ("open", 1, 5.0)
    clock.now += 5.0
    assert health.paused == ()
    trial = health.enter("a")
    assert health.paused == ("a",)  # One tries it; the others need not.
    health.succeeded("a", trial)
    assert health.enter("a") is None
    assert "a" not in health.watched
    assert health.snapshot("a")["state"] == "closed"
    said = [record.getMessage() for record in caplog.records]
    assert [words.split(",")[0] for words in said] == [
        "expert a keeps failing",
        "expert a answers again",
    ]


def test_a_server_that_asks_for_a_rest_gets_it_for_everybody(health: Health, clock: Clock) -> None:
    health.failed("a", _refused(429))  # It does not say how long.
    assert health.paused == ()
    health.failed("a", _refused(429, retry_after_s=7.0))
    with pytest.raises(ExpertPaused) as caught:
        health.enter("a")
    assert caught.value.retry_after_s == pytest.approx(7.0)
    assert health.snapshot("a")["opened"] == 0
    clock.now += 7.0
    assert health.enter("a") is None
    assert not health.watched


def test_a_rest_is_no_longer_than_a_pause_may_be(health: Health) -> None:
    health.failed("a", _refused(429, retry_after_s=119.0))
    assert health.snapshot("a")["retry_in_s"] == 60.0


def test_without_a_breaker_everybody_is_always_asked() -> None:
    health = Health(None)
    for _ in range(9):
        health.failed("a", LOST)
        health.failed("a", _refused(429, retry_after_s=7.0))
    assert not health.watched
    assert health.snapshot("a")["state"] == "closed"
