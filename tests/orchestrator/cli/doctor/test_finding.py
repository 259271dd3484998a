"""What a line of the report may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.doctor.finding import Finding, Level, fault, ok, summary, warning


def test_what_is_wrong_must_say_what_to_do() -> None:
    with pytest.raises(AssertionError):
        Finding(Level.FAULT, "disk", "full")


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([], "0 faults, 0 warnings, 0 ok"),
        ([fault("a", "b", "c"), warning("a", "b", "c"), ok("a", "b")], "1 fault, 1 warning, 1 ok"),
    ],
)
def test_the_summary(findings: list[Finding], words: str) -> None:
    assert summary(findings) == words


@given(st.lists(st.sampled_from([ok("a", "b"), warning("a", "b", "c"), fault("a", "b", "c")])))
def test_the_summary_counts_every_line(findings: list[Finding]) -> None:
    numbers = [int(word) for word in summary(findings).split() if word.isdigit()]
    assert sum(numbers) == len(findings)
