"""Rows become questions; each kind of wrong row is named with its place."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.tasks.drafts import RowProblem, drafts
from evals.tasks.spec import TaskSpec
from evals.tasks.tables import Row

TEXTS = st.text(st.characters(exclude_categories=("Cs",))).filter(str.strip)


def spec(**keys: Any) -> TaskSpec:
    return TaskSpec.model_validate({"name": "mine", "data": "mine.jsonl", **keys})


def rows(*columns: dict[str, Any]) -> list[Row]:
    return [Row(f"line {number}", one) for number, one in enumerate(columns, start=1)]


def problems_of(row: dict[str, Any], **keys: Any) -> str:
    """What is wrong with a row after a good one."""
    good = {"question": "1 + 1?", "answer": "2"}
    found, problems = drafts(spec(**keys), rows(good, row))
    assert len(found) <= 2
    return " | ".join(problems)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_ids_are_unique_and_never_change(questions: list[str]) -> None:
    table = rows(*({"question": q, "answer": "x"} for q in questions))
    found, problems = drafts(spec(), table)
    assert problems == []
    assert len({draft.id for draft in found}) == len(questions)
    alone, _ = drafts(spec(), table[:1])
    assert alone[0].id == found[0].id


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "a?", "answer": None}, "line 2: answer: there is no right answer"),
        ({"question": "a?", "answer": "  "}, "line 2: answer: there is no right answer"),
        ({"question": "a?"}, "line 2: answer: there is no right answer"),
        ({"question": "", "answer": "b"}, "line 2: question: there is no question"),
        ({"question": "a?", "answer": ["b"]}, "answer: must be a text or a number"),
        ({"question": {"a": 1}, "answer": "b"}, "question: must be a text or a number"),
        ({"question": "a?", "answer": True}, "'yes' if answer else 'no'"),
        ({"question": "a?", "answer": float("nan")}, "answer: must be a text or a number"),
        ({"question": "a?", "answer": float("inf")}, "answer: must be a text or a number"),
        ({"question": "a\ud800", "answer": "b"}, "half of a surrogate pair"),
        ({"question": "a?", "answer": "b", "keywords": [1]}, "keywords: must be a list of texts"),
        ({"question": "a?", "answer": "b", "options": "A, B"}, "options: must be a list"),
        ({"question": "a?", "answer": "b", "split": "train"}, "split: is 'train', but must be"),
    ],
)
def test_a_wrong_row_is_named(row: dict[str, Any], said: str) -> None:
    assert said in problems_of(row)


@settings(deadline=None)
@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.lists(st.integers(), max_size=2),
        st.dictionaries(st.text(), st.integers(), max_size=2),
        st.just("\n"),
    )
)
def test_no_kind_of_value_but_text_and_numbers_is_an_answer(value: Any) -> None:
    assert problems_of({"question": "a?", "answer": value}).startswith("line 2: answer: ")


@settings(deadline=None)
@given(st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_texts_and_numbers_are_answers(value: Any) -> None:
    assert problems_of({"question": "a?", "answer": value}) == ""


def test_columns_of_a_row_are_what_the_file_says() -> None:
    table = rows(
        {"nr": 7, "q": "a?", "gold": 3, "subject": "law", "skills": "x, y", "set": "dev"},
        {"nr": 8, "q": "b?", "gold": 4, "subject": None, "skills": None, "set": "other"},
    )
    columns = {"prompt": "q", "id": "nr", "category": "subject", "keywords": "skills"}
    keys = {"columns": {**columns, "split": "set"}, "split": {"dev": "test"}}
    (draft,), problems = drafts(spec(**keys), table)
    assert problems == []
    assert (draft.id, draft.question, draft.answer) == ("7", "a?", "3")
    assert (draft.category, draft.keywords, draft.split) == ("law", ("x", "y"), "test")


def test_templates_make_prompts_answers_fields_and_splits() -> None:
    table = rows({"q": "1+1", "solution": "so\n#### 2", "n": 3}, {"q": "x", "solution": "", "n": 9})
    found, problems = drafts(
        spec(
            columns={"answer": "solution"},
            prompt="Q: {{ q }}",
            answer={"regex": "#### (.+)"},
            fields={"tests": "assert {{ q }} == 2", "raw": {"column": "n"}},
            split="{{ 'test' if n < 5 else '' }}",
        ),
        table,
    )
    assert problems == []
    assert [(d.question, d.answer, d.split) for d in found] == [("Q: 1+1", "2", "test")]
    assert found[0].fields == {"tests": "assert 1+1 == 2", "raw": 3}


def test_options_are_shown() -> None:
    table = rows({"question": "Which?", "options": ["x", "y"], "answer": "B"})
    (draft,), _ = drafts(spec(), table)
    assert draft.question.startswith("Which?\n\nA. x\nB. y\n")
    assert draft.fields["options"] == ["x", "y"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"prompt": "{{ qestion }}"}, "prompt: there is no column `qestion`. Did you mean"),
        ({"answer": "{{ a.b.c"}, "answer: is no template"),
        ({"fields": {"tests": "{{ test }}"}}, "fields.tests: there is no column `test`"),
        ({"fields": {"x": {"column": "anser"}}}, "fields.x: there is no column `anser`. Did you"),
        ({"columns": {"prompt": "text"}}, "columns.prompt: there is no column `text`"),
    ],
)
def test_keys_that_do_not_fit_the_columns(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(RowProblem) as caught:
        drafts(spec(**keys), rows({"question": "a?", "answer": "b"}))
    assert said in str(caught.value)


def test_duplicates_are_named() -> None:
    one = {"id": "x", "question": "a?", "answer": "b"}
    _, problems = drafts(spec(), rows(one, {**one, "question": "c?"}))
    assert problems == ["the id x appears 2 times"]
    table = rows({**one, "split": "probe"}, {**one, "id": "y", "question": "A? ", "split": "test"})
    _, problems = drafts(spec(), table)
    assert problems == ["line 2: the question of line 1 again, but test and not probe"]


def test_a_question_with_two_answers_is_a_mistake_unless_somebody_knows_of_it() -> None:
    table = ({"question": "1 + 2?", "answer": "3"}, {"question": "1 + 2?", "answer": "4"})
    _, problems = drafts(spec(), rows(*table))
    assert problems == ["line 2: the question of line 1 again, with another answer"]
    assert drafts(spec(source="a published benchmark"), rows(*table))[1] == []
    assert drafts(spec(), rows(*({**row, "id": str(n)} for n, row in enumerate(table))))[1] == []
    assert drafts(spec(), rows(table[0], table[0]))[1] == []


def test_a_long_prompt_is_a_mistake() -> None:
    keys = {"prompt": "{% for i in range(99) %}{{ question }}{% endfor %}", "max_prompt_chars": 90}
    assert "makes more than 90 characters" in problems_of({"question": "a?", "answer": "b"}, **keys)
