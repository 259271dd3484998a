"""Examples stand before the question; a question is never an example of itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evals.tasks.drafts import Draft, RowProblem
from evals.tasks.few_shot import with_examples
from evals.tasks.spec import AnySplit, FewShot
from evals.tasks.splits import same_words
from evals.tasks.tables import Row
from routers.base import Encoder


class Lengths:
    """Texts are similar where they are about as long."""

    name, dimension = "lengths", 2

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        angles = np.array([len(text) for text in texts]) / 100
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def draft(question: str, split: AnySplit = "test") -> Draft:
    row = Row("line 1", {"hint": question[:1]})
    return Draft(row, question, split, question, f"<{question}>", "mine", ())


def prompts(drafts: Sequence[Draft], **keys: Any) -> list[str]:
    def encoder() -> Encoder:
        return Lengths()

    return with_examples(FewShot(**keys), drafts, 10_000, encoder)


def no_encoder() -> Encoder:
    raise AssertionError("nobody asks for the nearest")


def test_fixed_examples() -> None:
    keys = {
        "examples": ({"question": "a", "answer": "b"},),
        "template": "{{ question }}={{ answer }}",
    }
    assert with_examples(FewShot(**keys), [draft("c")], 99, no_encoder) == ["a=b\n\nc"]


def test_the_first_of_another_split() -> None:
    pool = [draft("a", "examples"), draft("b", "examples"), draft("c", "examples")]
    (*_, last) = prompts([*pool, draft("x")], first=2, template="{{ row.hint }}{{ answer }}")
    assert last == "a<a>\n\nb<b>\n\nx"


def test_the_nearest_stands_last() -> None:
    pool = [draft("q" * n, "probe") for n in (1, 30, 12)]
    (*_, last) = prompts([*pool, draft("z" * 11)], nearest=2, split="probe", separator=" ")
    assert last.split(" ") == ["q\n<q>", f"{'q' * 12}\n<{'q' * 12}>", "z" * 11]


@settings(deadline=None)
@given(st.lists(st.text("ab ", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=8))
def test_no_question_is_its_own_example(questions: list[str]) -> None:
    drafts = [draft(question, "probe") for question in questions]
    for way in ("first", "nearest"):
        shown = prompts(drafts, **{way: 3}, split="probe", template="[{{ question }}]")
        for one, prompt in zip(drafts, shown, strict=True):
            examples = [part[1:-1] for part in prompt.split("\n\n")[:-1]]
            assert same_words(one.question) not in map(same_words, examples)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"first": 1}, "no row is of the split `examples`"),
        ({"examples": ({"question": "a"},)}, "few_shot.template: there is no column `answer`"),
        ({"examples": ({"question": "a", "answer": "b" * 20_000},)}, "more than 10000 characters"),
        ({"first": 1, "split": "probe", "template": "{{ row.nothing }}"}, "few_shot: "),
    ],
)
def test_what_is_wrong_is_said(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(RowProblem) as caught:
        prompts([draft("a"), draft("b", "probe")], **keys)
    assert said in str(caught.value)
