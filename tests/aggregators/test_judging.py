"""A judge's verdict is its last clear one, however it is worded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregators.gather import Answer
from aggregators.judging import preference
from experts.types import Completion

WORDED = st.sampled_from(
    [
        "{}", "**{}**", "Answer {}", "Option {}.", "VERDICT: {}", "The better answer is {}.",
        "My verdict is {}", "Winner: **{}**", "I choose {}.", "{} is better.", "So {} wins.",
        "The final answer is ({}).",
    ]
)  # fmt: skip
REMARK = st.sampled_from(
    [
        "Both are good.",
        "A good point is made here.",
        "Answer A is long, and answer B is short.",
        "Let me compare A and B.",
        "A has the facts; so has B.",
        "",
    ]
)
VERDICT = st.builds(
    lambda worded, letter: (worded.format(letter), letter), WORDED, st.sampled_from("AB")
)


def _preference(text: str, logprobs: tuple[float, ...] = ()) -> float | None:
    return preference(Answer(0, text, Completion("judge", text, logprobs=logprobs)))


@given(st.lists(REMARK), st.lists(VERDICT, min_size=1), st.lists(REMARK))
def test_the_last_clear_verdict_counts(
    before: list[str], verdicts: list[tuple[str, str]], after: list[str]
) -> None:
    text = "\n".join([*before, *(said for said, _ in verdicts), *after])
    assert _preference(text) == (1.0 if verdicts[-1][1] == "A" else 0.0)


@given(st.lists(REMARK))
def test_remarks_are_no_verdict(remarks: list[str]) -> None:
    assert _preference("\n".join(remarks)) is None


@given(st.text())
def test_every_reply_can_be_looked_at(text: str) -> None:
    assert (found := _preference(text)) is None or 0 <= found <= 1


def test_only_the_letter_itself_has_a_probability() -> None:
    assert _preference("A", (-0.1,)) == pytest.approx(0.904, abs=0.001)
    assert _preference("B", (-0.1,)) == pytest.approx(0.096, abs=0.001)
    assert _preference("The better answer is A.", (-3.0, -0.1)) == 1.0
