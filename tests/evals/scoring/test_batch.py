"""Many answers are scored together, and none hurts another."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evals.scoring.base import Answered, Options, Scorer
from evals.scoring.batch import score_all
from evals.scoring.registry import make_scorer


@dataclass
class Sample:
    answer: str
    id: str = "q-1"
    fields: dict[str, Any] = field(default_factory=dict)


def _moody(_: Answered, text: str) -> float:
    if text == "raise":
        raise RuntimeError("it broke\nbadly")
    return float(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["0", "1", "0.5", "raise", "2", "nan", "x"])), st.booleans())
def test_each_answer_gets_its_score_or_a_problem(texts: list[str], waits: bool) -> None:
    scorer = Scorer("moody", Options(), _moody, waits)
    found = score_all(scorer, [(Sample("", id=f"q-{n}"), text) for n, text in enumerate(texts)])

    good = {"0": 0.0, "1": 1.0, "0.5": 0.5}
    assert found.values == tuple(good.get(text, 0.0) for text in texts)
    assert set(found.problems) == {n for n, text in enumerate(texts) if text not in good}
    assert all(f"the sample q-{n}:" in problem for n, problem in found.problems.items())


def test_a_problem_is_one_sentence_with_its_reason() -> None:
    scorer = Scorer("moody", Options(), _moody)
    found = score_all(scorer, [(Sample(""), "raise")])
    assert found.problems == {0: "The scorer moody failed on the sample q-1: it broke badly"}


def test_a_pattern_that_takes_exponential_time_is_a_problem_of_its_own() -> None:
    scorer = make_scorer("regex", {"pattern": "(a+)+$", "seconds": 0.2})
    pairs = [(Sample(""), "aaa"), (Sample("", id="slow"), "a" * 40 + "!"), (Sample(""), "b")]
    found = score_all(scorer, pairs)
    assert found.values == (1, 0, 0)
    assert list(found.problems) == [1]
    assert "slow" in found.problems[1]


def test_patterns_match_as_they_are_asked_to() -> None:
    text = "one\nTWO"
    for options, score in (
        ({"pattern": "two"}, 0),
        ({"pattern": "two", "ignore_case": True}, 1),
        ({"pattern": "^TWO"}, 0),
        ({"pattern": "^TWO", "multiline": True}, 1),
        ({"pattern": "one.TWO"}, 0),
        ({"pattern": "one.TWO", "dot_all": True}, 1),
        ({"pattern": "one", "match": "full"}, 0),
        ({}, 1),
    ):
        assert make_scorer("regex", options)(Sample("e.?\\s"), text) == score


def test_an_answer_that_is_no_pattern_is_a_problem() -> None:
    found = score_all(make_scorer("regex"), [(Sample("("), "(")])
    assert found.values == (0,)
    assert "no pattern" in found.problems[0]
