"""Whether a router uses its pool."""

import pytest
from made_runs import EXPERTS, Setting, rows

from evals.report.statistics.routing import audit, parts
from evals.report.statistics.scores import by_task
from evals.runs.record import Routed, Row


def _row(expert: str | None = None, category: str = "c", **more: object) -> Row:
    return Row.model_validate(
        {"subject": "s", "task": "t", "sample": "1", "category": category, "question": "q",
         "score": 1.0, "expert": expert, **more}
    )  # fmt: skip


def test_an_answer_belongs_to_its_expert_else_to_the_panel_else_to_those_called() -> None:
    routed = Routed(router="r", scores={}, panel=("a", "b"))
    assert parts(_row("a", routed=routed)) == {"a": 1.0}
    assert parts(_row(routed=routed)) == {"a": 0.5, "b": 0.5}
    assert parts(_row(calls={"a": 3, "c": 1, "d": 0})) == {"a": 0.5, "c": 0.5}
    assert parts(_row()) == {}


def test_equal_shares_are_as_many_experts_as_there_are() -> None:
    found = audit("s", [_row(e) for e in "abcd"], list("abcd"), [])
    assert found is not None
    assert (found.entropy_bits, found.effective) == (pytest.approx(2.0), pytest.approx(4.0))
    assert found.warnings == ()


def test_two_experts_that_get_everything_are_told() -> None:
    found = audit("s", [_row("a")] * 12 + [_row("b")] * 7 + [_row("c")], list("abc"), [])
    assert found is not None
    assert found.warnings == ("a and b get 95 % of all answers, in a pool of 3 experts",)
    at_the_bound = audit("s", [_row("a")] * 9 + [_row("b")] * 9 + [_row("c")] * 2, list("abc"), [])
    assert at_the_bound is not None
    assert at_the_bound.warnings == ()


def test_one_expert_alone_is_told_and_a_pool_of_two_is_not() -> None:
    alone = audit("s", [_row("a")], list("abc"), [])
    two = audit("s", [_row("a"), _row("b")], list("ab"), [])
    assert alone is not None
    assert two is not None
    assert alone.warnings == ("a gets 100 % of all answers, in a pool of 3 experts",)
    assert alone.effective == 1
    assert two.warnings == ()


def test_an_expert_that_is_best_somewhere_and_never_chosen_is_told() -> None:
    made = rows(Setting(questions=60, known=0.95, unknown=0.2))
    tasks = list(by_task(made).values())
    routed = [row for row in made if row.subject == "pool/auto"]
    fair = audit("pool/auto", routed, EXPERTS, tasks)
    stuck = [row.model_copy(update={"expert": "beta"}) for row in routed]
    poor = [row.model_copy(update={"score": 0.1}) for row in made if row.subject == "pool/auto"]
    others = [row for row in made if row.subject != "pool/auto"]
    unfair = audit("pool/auto", stuck, EXPERTS, list(by_task([*others, *poor]).values()))
    assert fair is not None
    assert unfair is not None
    assert fair.warnings == ()
    assert [w.split(":")[0] for w in unfair.warnings[1:]] == [
        "alpha is never chosen, though it is the best at algebra",
        "gamma is never chosen, though it is the best at law",
    ]


def test_few_questions_say_nothing_about_who_is_best() -> None:
    made = rows(Setting(questions=9, known=1.0, unknown=0.0))
    stuck = [
        row.model_copy(update={"expert": "beta"}) for row in made if row.subject == "pool/auto"
    ]
    found = audit("pool/auto", stuck, EXPERTS, list(by_task(made).values()))
    assert found is not None
    assert len(found.warnings) == 1


def test_answers_of_nobody_are_not_audited_and_fallbacks_are_counted() -> None:
    assert audit("s", [_row()], ["a"], []) is None
    routed = Routed(router="r", scores={}, fallback="strongest")
    found = audit("s", [_row("a", routed=routed), _row("a")], ["a"], [])
    assert found is not None
    assert found.fallbacks == 1
