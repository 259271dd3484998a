"""Whether a router uses its pool."""

import pytest
from made_runs import EXPERTS, Setting, rows

from evals.report.statistics.routing import audit, parts
from evals.report.statistics.scores import by_task
from evals.runs.record import Candidate, Routed, Row, Tokens


def _row(expert: str | None = None, category: str = "c", **more: object) -> Row:
    return Row.model_validate(
        {"subject": "s", "task": "t", "sample": "1", "category": category, "question": "q",
         "score": 1.0, "expert": expert, **more}
    )  # fmt: skip


def test_an_answer_belongs_to_its_expert_else_to_those_called_by_their_calls() -> None:
    routed = Routed(router="r", scores={}, panel=("a", "b", "c"))
    assert parts(_row("a", routed=routed, calls={"a": 1, "b": 2})) == {"a": 1.0}
    assert parts(_row(routed=routed, calls={"a": 1})) == {"a": 1.0}
    assert parts(_row(routed=routed, calls={"a": 3, "c": 1, "d": 0})) == {"a": 0.75, "c": 0.25}
    assert parts(_row(routed=routed)) == {}


def test_a_tagger_has_no_part_in_the_answer() -> None:
    said = tuple(Candidate(expert=name, text="4") for name in "aab")
    found = parts(_row(calls={"tagger": 1, "a": 2, "b": 1}, candidates=said))
    assert found == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)}


def test_a_composition_of_a_server_is_no_expert_of_its_own() -> None:
    """It is asked as a whole; the service tells whose tokens they were."""
    told = {"a": Tokens(completion=3), "b": Tokens(completion=4)}
    assert parts(_row(calls={"s": 1}, tokens=told)) == {"a": 0.5, "b": 0.5}
    assert parts(_row(calls={"s": 1}, tokens={"s": Tokens()})) == {}


def test_experts_of_an_adaptive_vote_that_were_never_asked_have_no_share() -> None:
    routed = Routed(router="r", scores={}, panel=("a", "b", "c"))
    made = [_row(routed=routed, calls={"a": 1})] * 9 + [_row(routed=routed, calls={"a": 1, "b": 1})]
    found = audit("s", made, list("abc"), [])
    assert found is not None
    assert found.shares == {"a": pytest.approx(0.95), "b": pytest.approx(0.05), "c": 0}
    assert found.effective < 1.3


def test_equal_shares_are_as_many_experts_as_there_are() -> None:
    found = audit("s", [_row(e) for e in "abcd"], list("abcd"), [])
    assert found is not None
    assert (found.entropy_bits, found.effective) == (pytest.approx(2.0), pytest.approx(4.0))
    assert found.warnings == ()


def _many(**counts: int) -> list[Row]:
    """So many questions of each expert."""
    experts = [expert for expert, count in counts.items() for _ in range(count)]
    return [_row(expert, sample=str(number)) for number, expert in enumerate(experts)]


def test_two_experts_that_get_everything_are_told() -> None:
    found = audit("s", _many(a=120, b=70, c=10), list("abc"), [])
    assert found is not None
    assert found.warnings == (
        "a and b get 95 % of all answers, in a pool of 3 experts (200 questions)",
    )
    at_the_bound = audit("s", _many(a=90, b=90, c=20), list("abc"), [])
    assert at_the_bound is not None
    assert at_the_bound.warnings == ()


def test_few_answers_warn_of_nothing() -> None:
    """34 of 34 may be nine of ten elsewhere; draws of one question are no more of them."""
    few, enough = audit("s", _many(a=34), list("abc"), []), audit("s", _many(a=35), list("abc"), [])
    again = audit("s", [one for one in _many(a=2) for _ in range(50)], list("abc"), [])
    assert few is not None
    assert enough is not None
    assert again is not None
    assert (few.warnings, again.warnings) == ((), ())
    assert len(enough.warnings) == 1


def test_one_expert_alone_is_told_and_a_pool_of_two_is_not() -> None:
    alone = audit("s", _many(a=50), list("abc"), [])
    two = audit("s", _many(a=25, b=25), list("ab"), [])
    assert alone is not None
    assert two is not None
    assert alone.warnings == ("a gets 100 % of all answers, in a pool of 3 experts (50 questions)",)
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
    assert all(warning.endswith("(20 questions)") for warning in unfair.warnings[1:])


def test_an_expert_that_may_only_be_lucky_is_not_told() -> None:
    made = rows(Setting(questions=60, known=0.5, unknown=0.45))
    stuck = [
        row.model_copy(update={"expert": "beta"}) if row.subject == "pool/auto" else row
        for row in made
    ]
    routed = [row for row in stuck if row.subject == "pool/auto"]
    found = audit("pool/auto", routed, EXPERTS, list(by_task(stuck).values()))
    assert found is not None
    assert [one for one in found.warnings if "never chosen" in one] == []


def test_few_questions_say_nothing_about_who_is_best() -> None:
    made = rows(Setting(questions=9, known=1.0, unknown=0.0))
    stuck = [
        row.model_copy(update={"expert": "beta"}) for row in made if row.subject == "pool/auto"
    ]
    found = audit("pool/auto", stuck, EXPERTS, list(by_task(made).values()))
    assert found is not None
    assert found.warnings == ()


def test_answers_of_nobody_are_not_audited_and_fallbacks_are_counted() -> None:
    assert audit("s", [_row()], ["a"], []) is None
    routed = Routed(router="r", scores={}, fallback="strongest")
    found = audit("s", [_row("a", routed=routed), _row("a")], ["a"], [])
    assert found is not None
    assert found.fallbacks == 1
