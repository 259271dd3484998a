"""What is read out of answers as language models write them, and out of garbage."""

from __future__ import annotations

import random
import time
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregators.answers.extraction import LONGEST, Kind, canonical, extract
from aggregators.answers.options import LAST_OPTION
from aggregators.answers.places import boxed

KINDS: tuple[Kind, ...] = get_args(Kind)
MARKUP = st.sampled_from(
    [*"AbJ19.,/-$*#()[]{}`'\"\\ \n\u2212\u0661", "answer is ", "####", r"\boxed{", r"\frac", "```"]
)
TEXTS = st.one_of(st.text(), st.lists(MARKUP, max_size=30).map("".join))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Natalia sold 48/2 = 24 clips in May, and 48 + 24 = 72 altogether.\n#### 72", "72"),
        ("#### $7.00", "7"),
        ("#### -7", "-7"),
        ("$1,234.50", "1234.5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("\u22123", "-3"),
        ("It grew by .5", "0.5"),
        ("1,234,567 people", "1234567"),
        ("3 apples and 4 pears make 7 fruits.", "7"),
        ("The answer is 12. (I checked it 3 times.)", "12"),
        ("The answer is 3. No, wait: the answer is 4.", "4"),
        ("**Answer:** 18", "18"),
        ("The final answer is: $\\boxed{42}$ of 50", "42"),
        ("The answer is \\boxed{5}.\nI hope that 100 % of it helps!", "5"),
        ("The answer is unclear, I get 6", "6"),
        ("1/3", "1/3"),
        ("2 / 6", "1/3"),
        ("2/4", "0.5"),
        ("-0.0", "0"),
        ("007", "7"),
    ],
)
def test_the_number_concluded_with_counts(text: str, value: str) -> None:
    assert extract("number", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"\boxed{\frac{1}{2}}", "0.5"),
        (r"The answer is $\frac{3}{4}$.", "0.75"),
        ("It has 6.02e23 atoms", "602000000000000000000000"),
        ("The answer is 1e-3", "0.001"),
    ],
)
def test_a_number_is_read_as_a_whole(text: str, value: str) -> None:
    assert extract("number", text) in {value, None}  # A part of it is no answer.


@pytest.mark.parametrize("kind", ["number", "latex"])
def test_two_numbers_are_not_one(kind: Kind) -> None:
    assert extract(kind, r"\boxed{1,2}") != extract(kind, r"\boxed{12}")


@pytest.mark.parametrize("text", ["", " \n", "none", "3/0", "9" * 65, "\u00b2", ".", "$"])
def test_what_has_no_number_is_none(text: str) -> None:
    assert extract("number", text) is None


@given(TEXTS)
@example("12345678901234567890.12345678901234567890123456789012345")
@example("9" * 64)
@example("0.1/3")
def test_a_number_is_stable_under_its_own_reading(text: str) -> None:
    value = extract("number", text)
    assert value is None or extract("number", value) == value


@given(st.integers(-(10**15), 10**15))
def test_ways_to_write_a_number_are_equal(number: int) -> None:
    ways = (str(number), f"{number:,}", f"{number}.00", f"**Answer:** {number}.", f"{2 * number}/2")
    assert {extract("number", way) for way in ways} == {str(number)}


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (B).", "B"),
        ("**Answer:** C", "C"),
        ("**Final Answer**: (C) Lima", "C"),
        ("Answer: **B**", "B"),
        ("the answer is **D) 5**", "D"),
        ("The best answer is\n\nB", "B"),
        ("The correct answer is option C.", "C"),
        ("the answer would be E", "E"),
        ("The answer is A. No, the answer is B.", "B"),
        (r"The answer is $\boxed{D}$.", "D"),
        (r"\boxed{\text{E}}", "E"),
        ("I think A is wrong, so (D)", "D"),
        ("(A) is too big, (B) is too small.\n\nC", "C"),
        ("Too big.\n\nC\n", "C"),
        ("It can only be **B**", "B"),
        ("B", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("R", LAST_OPTION),
    ],
)
def test_the_letter_concluded_with_counts(text: str, letter: str) -> None:
    assert extract("choice", text) == letter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S",
        "(S)",
        "Lima",
        "The answer is a mystery.",
        "The answer is Berlin.",
        "A, B or C?",
    ],
)
def test_what_chooses_nothing_is_none(text: str) -> None:
    assert extract("choice", text) is None


@pytest.mark.parametrize(
    "text", ["The answer is I don't know.", "**Answer:** I think that it depends.", "I agree"]
)
def test_the_speaker_is_no_option(text: str) -> None:
    assert extract("choice", text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,2]", "list [1, 2]"),
        ("The result:\n```python\n[1,  2]\n```\nAs you see.", "list [1, 2]"),
        ("First we sort.\n(1, 'a')", "tuple (1, 'a')"),
        ('The answer is {"a": 1}', "dict {'a': 1}"),
        ("Answer: `[1]`", "list [1]"),
        ("Answer: [1,\n 2]", "list [1, 2]"),
        ("Answer: 5\n\nI hope that this helps!", "int 5"),
        (r"\boxed{[1]}", "list [1]"),
        ("None", "NoneType None"),
        ("**Answer:** [1, 2]", "list [1, 2]"),
        ("The answer is [1, 2].", "list [1, 2]"),
        ("The answer is 5.", "int 5"),
    ],
)
def test_the_literal_concluded_with_counts(text: str, value: str) -> None:
    assert extract("literal", text) == value


def test_nobody_is_warned_of_how_a_model_writes(recwarn: pytest.WarningsRecorder) -> None:
    assert extract("literal", r"'\d'") == extract("literal", r"'\\d'") is not None
    assert extract("literal", "1if 2else 3") is None
    assert not recwarn.list


@pytest.mark.parametrize("text", ["", "print(1)", "__import__('os')", "{[]}", "[" * 1500, "\x00"])
def test_what_is_no_literal_is_none(text: str) -> None:
    assert extract("literal", text) is None


@pytest.mark.parametrize(
    "pair", [("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"), ("{0, 8}", "{8, 0}"), ("'a'", '"a"')]
)
def test_equal_literals_read_the_same(pair: tuple[str, str]) -> None:
    assert extract("literal", pair[0]) == extract("literal", pair[1]) is not None


@pytest.mark.parametrize("pair", [("1", "True"), ("1", "'1'"), ("[1]", "(1,)"), ("0", "0.0")])
def test_literals_of_two_types_differ(pair: tuple[str, str]) -> None:
    assert extract("literal", pair[0]) != extract("literal", pair[1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"So it is \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{\dfrac{1}{2}}", r"\frac{1}{2}"),
        (r"Either \boxed{x} or rather \boxed{y}", "y"),
        (r"\boxed{\left( 1,\, x \right)}", "( 1, x )"),
        (r"The answer is $x^2$, since $x > 0$.", "x^2"),
        (r"The answer is \(x+1\).", "x+1"),
        ("The answer is:\n\\[ y \\]", "y"),
        ("The answer is x+1.", "x+1"),
        (r"\boxed{42.0}", "42"),
        ("#### 42", "42"),
        ("**Answer:** x+1", "x+1"),
        (r"\boxed{\begin{pmatrix}1 \\ 2\end{pmatrix}}", r"\begin{pmatrix}1 \\ 2\end{pmatrix}"),
        (r"\boxed{x \rightarrow 0}", r"x \rightarrow 0"),
    ],
)
def test_the_mathematics_concluded_with_counts(text: str, value: str) -> None:
    assert extract("latex", text) == value


@pytest.mark.parametrize(
    "text", ["", "42", r"\boxed{}", r"\boxed{1", r"\boxed{ $$ }", rf"\boxed{{{'1+' * 2000}1}}"]
)
def test_what_concludes_with_no_mathematics_is_none(text: str) -> None:
    assert extract("latex", text) is None


@given(st.recursive(st.sampled_from(["1", "x", ""]), lambda part: part.map("{{{}}}".format)))
def test_braces_in_a_box_match(inside: str) -> None:
    assert boxed(rf"so \boxed{{{inside}}} }} it is") == inside


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("AnswerWithConfidence:\n```python\nx = 1\n```\nDone.", "x = 1"),
        ("```\nshort\n```\nor\n```py\nrather = 'long'\n```", "rather = 'long'"),
        ("````\n```\nx\n```\n````", "```\nx\n```"),
        ("def f():\n    return 1\n", "def f():\n    return 1"),
        ("```python\n    x\n\n```", "    x"),
    ],
)
def test_the_longest_fenced_program_counts(text: str, program: str) -> None:
    assert extract("code", text) == program


@pytest.mark.parametrize("text", ["", " \n", "```\n```", "```python\n\n```"])
def test_no_program_is_none(text: str) -> None:
    assert extract("code", text) is None


@given(st.lists(st.text("aB\u00dfC1,!", min_size=1), min_size=1))
def test_case_spaces_and_the_full_stop_make_no_other_text(words: list[str]) -> None:
    value = " ".join(words).casefold()
    assert extract("text", " ".join(words)) == value
    assert extract("text", f" {'  '.join(words).upper()}.\n") == value


@pytest.mark.parametrize("text", ["", "\n", "."])
def test_no_text_is_none(text: str) -> None:
    assert extract("text", text) is None


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
def test_every_text_can_be_looked_at(kind: Kind, text: str) -> None:
    value = extract(kind, text)
    assert value is None or value.strip()


GARBAGE = "".join(random.Random(0).choices("ab1 \n`$\\{}()[]*#A.,/-\u0661\U0001f600", k=100_000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        GARBAGE,
        "\n" * LONGEST,
        "```a\n" * 8000,
        "answer is " * 10_000,
        r"\boxed{" * 10_000,
        "1," * 50_000,
        "(" * 100_000,
    ],
    ids=["garbage", "line feeds", "fences", "conclusions", "boxes", "numbers", "brackets"],
)
def test_long_garbage_is_looked_at_fast(kind: Kind, text: str) -> None:
    started = time.perf_counter()
    extract(kind, text)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize("kind", ["number", "choice", "literal", "latex"])
def test_a_conclusion_after_a_long_text_is_found(kind: Kind) -> None:
    found = {"number": "4", "choice": "B", "literal": "list [1]", "latex": "x"}[kind]
    written = {"choice": "(B)", "literal": "[1]"}.get(kind, found)
    assert extract(kind, f"{GARBAGE}\n\nThe answer is {written}") == found


@pytest.mark.parametrize("kind", KINDS)
@given(value=TEXTS)
def test_only_an_empty_recorded_value_has_no_form(kind: Kind, value: str) -> None:
    form = canonical(kind, value)
    assert form is None or form.strip()
    assert form is not None or not "".join(value.split()).strip(".")


def test_recorded_values_that_are_equal_have_one_form() -> None:
    assert canonical("number", "1,000.0") == canonical("number", "$1000") == "1000"
    assert canonical("choice", "B") == canonical("choice", " b. ")
    assert canonical("literal", "[1,2]") == canonical("literal", "[1, 2]")
    assert canonical("latex", r"\dfrac12") == canonical("latex", r"\frac12")
