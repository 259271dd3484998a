"""The second stage: equal texts once, and a scorer's fault costs one row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from evals.runs import scoring
from evals.runs.questions import Asked, Sampling, asked
from evals.runs.record import Tokens
from evals.runs.scoring import failed, scored
from evals.runs.subjects.calls import Said, Spent
from evals.runs.subjects.given import Given
from evals.scoring.registry import SCORERS, ScorerType
from evals.scoring.text import NoOptions, exact
from evals.tasks.task import Task


@pytest.fixture
def question(make_task: Callable[..., Task]) -> Asked:
    made = make_task("sums", 1)
    return asked([Task(made.spec, made.samples("test"))], Sampling())[0]


def use(monkeypatch: pytest.MonkeyPatch, rule: Any) -> None:
    """Let the scorer `exact` be another rule."""
    monkeypatch.setitem(SCORERS, "exact", ScorerType(NoOptions, lambda options: rule))


def given(question: Asked, text: str, **changes: Any) -> Given:
    return Given("alpha", question, text, Spent(), **changes)


def test_candidates_are_scored_and_equal_texts_once(
    question: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: Counter[str] = Counter()
    rule = exact(NoOptions())

    def counting(sample: Any, text: str) -> float:
        texts[text] += 1
        return rule(sample, text)

    use(monkeypatch, counting)
    said = [Said("alpha", question.request, "no"), Said("beta", question.request, "sums 0")]
    rows = scored([given(question, "sums 0", said=said), given(question, "no")], {}, {})
    assert [row.score for row in rows] == [1.0, 0.0]
    assert [(one.expert, one.score) for one in rows[0].candidates] == [("alpha", 0), ("beta", 1)]
    assert texts == {"sums 0": 1, "no": 1}


def test_what_costs_is_not_scored_for_candidates_but_known_where_it_is_an_answer(
    question: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "CHEAP", frozenset())
    said = [Said("alpha", question.request, "no"), Said("beta", question.request, "sums 0")]
    [row] = scored([given(question, "sums 0", said=said)], {}, {})
    assert [one.score for one in row.candidates] == [None, 1.0]


@pytest.mark.parametrize(
    ("scorer", "words"),
    [
        (lambda sample, text: 1 / 0, "division by zero"),
        (lambda sample, text: math.nan, "a score of nan is not in 0..1"),
        (lambda sample, text: 1.5, "a score of 1.5 is not"),
    ],
)
def test_a_scorer_that_fails_is_told_of_in_its_row(
    question: Asked, monkeypatch: pytest.MonkeyPatch, scorer: Any, words: str
) -> None:
    use(monkeypatch, scorer)
    rows = scored(
        [given(question, "sums 0"), given(question, "", error="expert_lost: gone")], {}, {}
    )
    assert [row.score for row in rows] == [0, 0]
    assert rows[0].error is not None
    assert words in rows[0].error
    assert rows[0].answer == "sums 0"
    assert rows[1].error == "expert_lost: gone"
    assert failed(rows) == 2


def test_a_price_is_that_of_every_expert_that_was_asked(question: Asked) -> None:
    spent = Spent()
    spent.add("alpha", Tokens(prompt=10, completion=5), 1.0)
    spent.add("beta", Tokens(prompt=1, completion=0), 3.0)
    spent.add("alpha", Tokens(prompt=1, completion=4), 2.0)
    [row] = scored([Given("pool/x", question, "no", spent)], {"alpha": 2.0, "beta": 100.0}, {})
    assert row.calls == {"alpha": 2, "beta": 1}
    assert row.price_usd == pytest.approx((20 * 2 + 100) / 1e6)
    assert row.seconds == 3.0
