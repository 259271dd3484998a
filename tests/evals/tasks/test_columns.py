"""Which column is the question and which the answer is told by their names, or must be said."""

import pytest

from evals.tasks.columns import USUAL, ColumnProblem, find_columns
from evals.tasks.spec import Columns


@pytest.mark.parametrize("prompt", USUAL["prompt"])
@pytest.mark.parametrize("answer", USUAL["answer"])
def test_usual_names_are_recognised(prompt: str, answer: str) -> None:
    names = ["number", prompt.capitalize(), answer, "split"]
    found = find_columns(Columns(), names, needs_prompt=True, needs_answer=True)
    assert (found.prompt, found.answer) == (prompt.capitalize(), answer)
    assert (found.split, found.id) == ("split", None)


def test_a_named_column_is_taken() -> None:
    columns = Columns(prompt="problem", answer="solution", category="subject")
    names = ["problem", "question", "solution", "subject"]
    found = find_columns(columns, names, needs_prompt=True, needs_answer=True)
    assert (found.prompt, found.answer, found.category) == ("problem", "solution", "subject")


@pytest.mark.parametrize(
    ("columns", "names", "said"),
    [
        (Columns(), ["problem", "answer"], "Its columns: problem, answer"),
        (Columns(), ["question"], "no column is called answer, gold, target"),
        (Columns(), ["question;answer"], "separated by commas"),
        (Columns(), ["question", "input", "answer"], "question or input"),
        (Columns(answer="anwser"), ["question", "answer"], "Did you mean `answer`?"),
        (Columns(id="nr"), ["question", "answer"], "columns.id: there is no column `nr`"),
    ],
)
def test_what_is_unclear_is_an_error(columns: Columns, names: list[str], said: str) -> None:
    with pytest.raises(ColumnProblem) as caught:
        find_columns(columns, names, needs_prompt=True, needs_answer=True)
    assert said in str(caught.value)


def test_a_template_needs_no_column() -> None:
    found = find_columns(Columns(), ["a", "b"], needs_prompt=False, needs_answer=False)
    assert (found.prompt, found.answer) == (None, None)
