"""What an answer says beside its conclusion, and how it writes it, makes no difference to it."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregators.answers.clauses import main_clauses
from aggregators.answers.extraction import extract
from aggregators.answers.short import short_answers
from aggregators.answers.writing import normal

OPTIONS = "Which is a mammal?\nA) shark\nB) whale\nC) trout\nD) cod"
SUM = "What is 5 * 3?"
WHEN = "When was it?"
BESIDE = st.sampled_from(
    [
        "{is_} {right}, not {wrong}",
        "{right}, not {wrong}",
        "{right}, and not {wrong}",
        "{right} (not {wrong})",
        "{is_} {right} rather than {wrong}",
        "{right} instead of {wrong}",
        "{is_} {right}, since {wrong} is too small",
        "{is_} {right} because {wrong} is too small",
        "{is_} {right}, as {wrong} is wrong",
        "{right}, whereas {wrong} is too small",
        "{is_} not {wrong} but {right}",
        "The answer isn't {wrong} but {right}",
        "It isn\u2019t {wrong}, it\u2019s {right}",
        "{wrong} is wrong, so {right}",
        "{wrong} is too small, so {right}",
        "Since {wrong} is too small, {is_} {right}",
        "Although {wrong} looks right, {is_} {right}",
    ]
)
IS = st.sampled_from(["it is", "the answer is", "the answer is:"])
ENDS = st.sampled_from(["", ".", "!"])


def _said(form: str, is_: str, right: str, wrong: str, end: str) -> str:
    said = form.format(is_=is_, right=right, wrong=wrong) + end
    return said[0].upper() + said[1:]


@settings(deadline=None)
@given(BESIDE, IS, st.permutations("ABCD"), ENDS)
def test_an_option_that_is_ruled_out_is_not_chosen(
    form: str, is_: str, letters: list[str], end: str
) -> None:
    right, wrong, *_ = letters
    said = _said(form, is_, right, wrong, end)
    assert short_answers(OPTIONS, [said]) == [right]
    assert extract("choice", said) == right


@settings(deadline=None)
@given(BESIDE, IS, st.integers(0, 10**6), st.integers(0, 10**6), ENDS)
def test_a_number_that_is_ruled_out_is_not_meant(
    form: str, is_: str, right: int, wrong: int, end: str
) -> None:
    said = _said(form, is_, str(right), str(wrong), end)
    assert short_answers(SUM, [said]) == [str(right)]
    assert extract("number", said) == str(right)


@settings(deadline=None)
@given(BESIDE, st.permutations(["Lima", "Quito", "Cusco"]), ENDS)
def test_a_name_that_is_ruled_out_is_not_meant(form: str, names: list[str], end: str) -> None:
    right, wrong, _ = names
    said = _said(form, "it is", right, wrong, end)
    if "too small, so" not in form and not form.startswith("{wrong} is"):
        assert short_answers("Which?", [said]) == [right.casefold()]


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_full_width_and_grouped_digits_are_the_number(value: int) -> None:
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in str(value))
    grouped = [f"{value:,}".replace(",", space) for space in " \u00a0\u2009\u202f"]
    for text in (wide, *grouped):
        assert extract("number", text) == str(value)
        assert short_answers("Which number?", [text, f"It is {text}."]) == [str(value)] * 2


@settings(deadline=None)
@given(st.integers(1, 999), st.integers(1, 99), st.integers(2, 100))
def test_mixed_numbers_are_one_number(whole: int, above: int, below: int) -> None:
    if above >= below:
        above, below = below - 1, above + 1
    value = extract("number", f"{whole * below + above}/{below}")
    for text in (f"{whole} {above}/{below}", f"It is {whole} and {above}/{below}."):
        assert extract("number", text) == value
        assert short_answers(SUM, [text]) == [value]


@settings(deadline=None)
@given(st.dates())
def test_a_date_is_its_value(date: datetime.date) -> None:
    day, month, year = date.day, date.strftime("%B"), f"{date.year:04}"
    ways = [
        f"{day} {month} {year}",
        f"{month} {day}, {year}",
        f"It was on {month} {day} {year}.",
        f"{day:02} {date:%b} {year}",
        date.isoformat(),
    ]
    assert set(short_answers(WHEN, ways)) == {
        " ".join([str(day), month.casefold(), str(date.year)])
    }
    (other,) = short_answers(WHEN, [f"{day % 28 + 1} {month} {year}"])
    assert other != short_answers(WHEN, ways[:1])[0] or day % 28 + 1 == day


@settings(deadline=None)
@given(st.integers(0, 23), st.integers(0, 59))
def test_a_time_is_its_value(hour: int, minute: int) -> None:
    twelve, half = (hour - 1) % 12 + 1, "ap"[hour // 12]
    ways = [f"{hour}:{minute:02}", f"{hour:02}:{minute:02}."]
    ways += [f"{twelve}:{minute:02}{mark}" for mark in (f" {half}m", f"{half}m", f" {half}.m.")]
    if not minute:
        ways.append(f"At {twelve} {half.upper()}M")
    assert set(short_answers("What time is it?", ways)) == {f"{hour}:{minute:02}"}


@pytest.mark.parametrize(
    ("texts", "label"),
    [
        (
            ["That is true.", "True.", "The claim is true.", "It's true, since it is so."],
            "true",
        ),
        (["False", "That is false.", "It is not true."], "false"),
    ],
)
def test_a_truth_is_one_word(texts: list[str], label: str) -> None:
    for question in ("Is it true?", "Fish are mammals. True or false?"):
        assert set(short_answers(question, texts)) == {label}


@pytest.mark.parametrize("text", ["A or B", "Not A", "Neither A nor C.", "The answer isn't A."])
def test_options_that_are_only_spoken_of_are_no_answer(text: str) -> None:
    assert short_answers(OPTIONS, [text, "A"]) == [None, "A"]


@pytest.mark.parametrize(
    "text",
    [
        "It is not only red but blue.",
        "It was founded since 1535.",
        "f(x) = 5 * (3 + 2) = 25",
        "Not Lima.",
        "(B) whale",
    ],
)
def test_what_belongs_to_the_conclusion_is_kept(text: str) -> None:
    assert main_clauses(text) == text


@settings(deadline=None)
@given(st.text())
def test_every_text_has_main_clauses_and_one_form(text: str) -> None:
    assert any(map(str.isalnum, main_clauses(text))) == any(map(str.isalnum, text))
    assert normal(normal(text)) == normal(text)
