"""What counts as the same answer, for the scorers of every name."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring.registry import SCORERS, make_scorer
from experts.errors import ConfigError

WORDS = st.text("abcdefg ", min_size=1).filter(str.strip)


@dataclass
class Sample:
    answer: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


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
        ("number", "19", "19 apples, of which 4 are red", 1),
        ("number", "19", "nineteen", 1),
        ("number", "19", "ninety", 0),
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
    assert make_scorer(scorer)(Sample(answer), text) == score


def test_equal_mathematics_is_right_however_it_is_written() -> None:
    sample = Sample(r"\sqrt{8}")
    assert make_scorer("latex")(sample, r"\boxed{2\sqrt{2}}") == 1
    assert make_scorer("latex")(sample, r"\boxed{3\sqrt{2}}") == 0


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-9999, max_value=1e9))
def test_a_number_in_a_sentence_is_right(value: object) -> None:
    assert make_scorer("number")(Sample(f"{value:f}"), f"So that makes {value:f}.") == 1


@given(WORDS, st.text("abc .", max_size=8))
def test_an_answer_between_other_words_is_contained(answer: str, around: str) -> None:
    assert make_scorer("contains")(Sample(answer), f"{around} {answer} {around}") == 1


SLOW = {"latex", "code", "regex"}
NEED_MORE = {"instructions", "label", "judge"}


@given(st.sampled_from(sorted(set(SCORERS) - SLOW - NEED_MORE)), st.text(), st.text())
def test_whatever_is_exact_or_said_gets_a_score(scorer: str, answer: str, text: str) -> None:
    assert 0 <= make_scorer(scorer)(Sample(answer), text) <= 1


@pytest.mark.parametrize(
    ("answer", "text", "score"),
    [
        ("the Denver Broncos", "Denver Broncos!", 1),
        ("Denver Broncos", "The Broncos", 2 / 3),
        ("a b c d", "c d e", 4 / 6),
        ("Lima", "Cusco", 0),
        ("", "", 1),
        ("Lima", "", 0),
    ],
)
def test_shared_tokens_count(answer: str, text: str, score: float) -> None:
    assert make_scorer("f1")(Sample(answer), text) == pytest.approx(score)


def test_the_best_of_several_accepted_answers_counts() -> None:
    assert make_scorer("f1")(Sample("x y", {"answers": ["Lima", "Lima in Peru"]}), "Lima") == 1


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("So the answer is True.", 1),
        ("It is not False: $\\boxed{\\text{True}}$", 1),
        ("False or True is true", 1),
        ("True or False: **false**", 0),
        ("Untrue", 0),
        ("", 0),
    ],
)
def test_the_chosen_label_counts(text: str, score: float) -> None:
    scorer = make_scorer("label", {"labels": ["True", "False"]})
    assert scorer(Sample("True"), text) == score
    assert make_scorer("label")(Sample("True", {"labels": ["True", "False"]}), text) == score


def test_a_word_within_a_word_is_no_label() -> None:
    scorer = make_scorer("label", {"labels": ["valid", "invalid"]})
    assert scorer(Sample("valid"), "The argument is invalid.") == 0


@pytest.mark.parametrize("labels", [[], ["Yes"], ["no", "maybe"]])
def test_labels_without_the_right_one_are_an_error(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="labels"):
        make_scorer("label", {"labels": labels})(Sample("yes"), "yes")


def test_unknown_names_and_options_are_named() -> None:
    with pytest.raises(ConfigError, match="exakt"):
        make_scorer("exakt")
    with pytest.raises(ConfigError) as caught:
        make_scorer("regex", {"pattern": "(", "colour": "red"})
    assert {problem.split(":")[0] for problem in caught.value.problems} == {"pattern", "colour"}


ZEROEVAL = {
    "extract": [
        {"json_key": "answer", "which": "first", "lenient": True},
        {"regex": r"-?\d+(?:\.\d+)?", "which": "last", "remove": ","},
    ]
}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"answer": "18"} or {"answer": "9"}', 1),
        ('{"answer": "9"} or {"answer": "18"}', 0),
        ('{"answer": "9 * 2 = $18 dollars"}', 1),
        ('{"reasoning": "a\nb", "answer": 18}', 1),
        ('{"reasoning": "broken "quotes"", "answer": "18"', 1),
        ('{"answer": "unknown"} The answer is 18.', 0),
        ("The final answer is $\\boxed{18}$", 1),
    ],
)
def test_answers_are_found_where_the_task_says(text: str, score: float) -> None:
    assert make_scorer("number", ZEROEVAL)(Sample("18"), text) == score


def test_without_falling_back_nothing_else_counts() -> None:
    scorer = make_scorer("number", ZEROEVAL | {"fall_back": False})
    assert scorer(Sample("18"), "The answer is 18.") == 0


@pytest.mark.parametrize("said", ["''", '""', ""])
def test_an_empty_string_is_a_literal(said: str) -> None:
    steps = {"extract": [{"json_key": "answer"}]}
    text = json.dumps({"answer": said})
    assert make_scorer("literal", steps)(Sample("''"), text) == 1


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("So the sentence is plausible.", 1),
        ("It is not plausible.", 0),
        ("That is IMPLAUSIBLE.", 0),
        ("Final answer: yes. It is implausible that it is not.", 1),
        ("Perhaps.", 0),
    ],
)
def test_synonyms_stand_for_labels(text: str, score: float) -> None:
    words = {"plausible": "yes", "not plausible": "no", "implausible": "no"}
    scorer = make_scorer("label", {"labels": ["yes", "no"], "synonyms": words})
    assert scorer(Sample("yes"), text) == score
