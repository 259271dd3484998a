"""What counts as the same answer."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.tasks.scorers import SCORERS

WORDS = st.text("abcdefg ", min_size=1).filter(str.strip)


@dataclass
class Sample:
    answer: str


@pytest.mark.parametrize(
    ("scorer", "answer", "text", "score"),
    [
        ("exact", "41, 66", " 41,  66\n", 1),
        ("exact", "Nacht ; N", "Nacht ;\tN", 1),
        ("exact", "Tripoli", "tripoli", 0),
        ("exact", "12", "1 2", 0),
        ("exact", "12", "12.", 0),
        ("exact", "12", "", 0),
        ("contains", "Lima", "The capital of Peru is LIMA.", 1),
        ("contains", "New  Delhi", "It is new\ndelhi, in India", 1),
        ("contains", "Lima", "Limassol", 0),
        ("contains", "8", "It is 18, or 8.5, or -8, or 8,000", 0),
        ("contains", "8", "It is 8.", 1),
        ("contains", "", "It is 8.", 0),
        ("number", "1200", "That is 1,200 metres.", 1),
        ("number", "19", "12 + 7 = 19. The answer is 19.", 1),
        ("number", "3.4", "It is 3.40 kilograms.", 1),
        ("number", "5", "8-3=5", 1),
        ("number", "5", "between 3-5", 1),
        ("number", "-4", "minus four: -4", 1),
        ("number", "19", "The answer is 19, since 12 + 7 are 19 and not 20", 1),
        ("number", "19", "19 apples, of which 4 are red", 0),
        ("number", "19", "nineteen", 0),
        ("choice", "B", "The answer is (B) Lima.", 1),
        ("choice", "b", "**B**", 1),
        ("choice", "B", "A bee", 0),
        ("latex", r"\frac{1}{2}", r"So it is \boxed{\dfrac{1}{2}}.", 1),
        ("latex", r"\frac{1}{2}", "So it is a half.", 0),
        ("json", '{"a": 1, "b": "x"}', 'Here it is:\n```json\n{"b": "x", "a": 1}\n```', 1),
        ("json", '{"a": 1, "b": "x"}', '{broken {"a": 1.0, "b": "x"}', 1),
        ("json", '{"a": 1, "b": "x"}', '{"a": "1", "b": "x"}', 0),
        ("json", '{"a": 1, "b": "x"}', '{"a": 1, "b": "x", "c": null}', 0),
        ("json", '{"a": 1, "b": "x"}', '{"a": 0} {"a": 1, "b": "x"}', 0),
        ("json", '{"a": 1, "b": "x"}', "a is 1 and b is x", 0),
    ],
)
def test_scorers(scorer: str, answer: str, text: str, score: float) -> None:
    assert SCORERS[scorer](Sample(answer), text) == score


def test_equal_mathematics_is_right_however_it_is_written() -> None:
    sample = Sample(r"\sqrt{8}")
    assert SCORERS["latex"](sample, r"\boxed{2\sqrt{2}}") == 1
    assert SCORERS["latex"](sample, r"\boxed{3\sqrt{2}}") == 0


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9999, max_value=1e9))
def test_a_number_in_a_sentence_is_right(value: object) -> None:
    assert SCORERS["number"](Sample(f"{value:f}"), f"So that makes {value:f}.") == 1


@given(WORDS, st.text("abc .", max_size=8))
def test_an_answer_between_other_words_is_contained(answer: str, around: str) -> None:
    assert SCORERS["contains"](Sample(answer), f"{around} {answer} {around}") == 1


@given(st.sampled_from(sorted(set(SCORERS) - {"latex"})), st.text(), st.text())
def test_whatever_is_exact_or_said_gets_a_score(scorer: str, answer: str, text: str) -> None:
    assert SCORERS[scorer](Sample(answer), text) in (0, 1)
