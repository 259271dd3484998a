"""Numbers in words are the numbers that they say, and pronouns are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregators.answers.extraction import extract
from aggregators.answers.numerals import with_digits
from aggregators.answers.short import short_answers

SMALL = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
ONES = SMALL.split()
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spoken(value: int, hyphen: str, and_: str) -> str:
    """A number from 0 to 999,999 as it is said."""
    if value < 20:
        return ONES[value]
    if value < 100:
        rest = value % 10
        return TENS[value // 10 - 2] + (hyphen + ONES[rest] if rest else "")
    unit, word = (100, "hundred") if value < 1000 else (1000, "thousand")
    rest = value % unit
    said = f"{spoken(value // unit, hyphen, and_)} {word}"
    return said + (and_ if rest else "") + (spoken(rest, hyphen, and_) if rest else "")


@given(st.integers(0, 999_999), st.sampled_from(["-", " "]), st.sampled_from([" ", " and "]))
def test_what_is_said_is_what_is_written(value: int, hyphen: str, and_: str) -> None:
    said = spoken(value, hyphen, and_)
    assert with_digits(said) == with_digits(said.title()) == str(value)
    assert extract("number", f"The answer is {said} apples.") == str(value)
    question, texts = "Which number?", [said, str(value), f"{value:,}", f"It is {said.upper()}."]
    assert set(short_answers(question, texts)) == {str(value)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("one of them", "one of them"),
        ("no one who knows", "no one who knows"),
        ("the right one", "the right one"),
        ("one apple", "1 apple"),
        ("two and three", "2 and 3"),
        ("minus four", "-4"),
        ("5 million", "5000000"),
        ("1.5 thousand", "1500"),
        ("a hundred and one", "101"),
        ("fifty-fifty", "fifty-fifty"),
        ("one-third", "1/3"),
        ("the first third", "the first third"),
        ("a third option", "a third option"),
        ("three and a half", "3.5"),
        ("two and a half million", "2500000"),
        ("Oneida, tenfold, eighth", "Oneida, tenfold, eighth"),
    ],
)
def test_words_that_are_numbers(text: str, found: str) -> None:
    assert with_digits(text) == found


@given(st.text())
def test_every_text_has_a_form(text: str) -> None:
    once = with_digits(text)
    assert with_digits(once) == once


@pytest.mark.parametrize(
    ("texts", "label"),
    [
        (["5 km", "5 kilometres", "five kilometers.", "5", "It is 5 km."], "5"),
        (["100", "100 degrees", "100 \u00b0C", "100\u00b0C", "100 degrees Celsius"], "100"),
        (["$1,000", "1000 dollars", "one thousand dollars", "1000.00"], "1000"),
        (["20 percent", "20%", "20", "twenty percent"], "20"),
    ],
)
def test_a_unit_that_all_mean_makes_no_difference(texts: list[str], label: str) -> None:
    for question in ("How much is it?", "Which value?"):
        assert set(short_answers(question, texts)) == {label}


def test_two_units_are_two_answers() -> None:
    kilometres, same, miles = short_answers("How far is it?", ["5 km", "5 kilometres", "5 miles"])
    assert kilometres == same != miles


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("Tell me about Lima.", ["Great question! It is hot.", "Great question! It is large."]),
        ("Write a line.", ["Sure thing!\nThe lake is red.", "Sure thing!\nThe sea is blue."]),
        ("Which is it?", ["Let's think step by step. Red.", "Let's think step by step. Blue."]),
    ],
)
def test_how_models_begin_is_no_answer(question: str, texts: list[str]) -> None:
    one, other = short_answers(question, texts)
    assert one is None or one != other


def test_a_courtesy_before_the_answer_does_not_matter() -> None:
    texts = ["Lima", "Sure! Lima.", "Certainly. It is Lima.", "Good question! The capital is Lima."]
    assert set(short_answers("What is the capital of Peru?", texts)) == {"lima"}


@pytest.mark.parametrize("question", ["Why is it red?", "Explain rust.", "How does a lock work?"])
def test_questions_for_prose_have_no_short_answers(question: str) -> None:
    assert short_answers(question, ["Iron oxide.", "Rust. It is iron."]) == [None, None]
    assert short_answers(question, ["It rusts.\nAnswer: iron oxide"]) == ["iron oxide"]
