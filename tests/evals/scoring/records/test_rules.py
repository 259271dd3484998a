"""A rule of a record is named only where the data show it."""

import pytest

from evals.scoring.records.rules import (
    COMPARED,
    CONTRADICTED,
    FIRST_COUNTS,
    INSIDE_A_WORD,
    READ_NOTHING,
    STRIPPED,
    rule_of,
)


@pytest.mark.parametrize(
    ("benchmark", "task", "recorded", "text", "rule"),
    [
        ("mmlu_pro", "", "?", "The closest option is (B).", READ_NOTHING),
        ("mmlu_pro", "", "None", "The closest option is (B).", READ_NOTHING),
        ("mmlu_pro", "", "A", "The answer is (A). So the answer is (B).", FIRST_COUNTS),
        ("mmlu_pro", "", "C", "The answer is (A). So the answer is (B).", None),
        ("bbh", "formal_fallacies", "valid", "The argument is **invalid**.", INSIDE_A_WORD),
        ("bbh", "formal_fallacies", "valid", "So the answer is valid.", None),
        ("cruxeval_o", "", "a ", '{"answer": "a "}', STRIPPED),
        ("cruxeval_o", "", "a", '{"answer": "a"}', None),
        ("math_500", "", "10%", "Answer: 10\\%", COMPARED),
        ("math_500", "", "$\\dfrac{65}{169}$", "The answer is $\\frac{5}{13}$.", COMPARED),
        ("mgsm_en", "", "9", "They cost 9.\n\nAnswer: 18", CONTRADICTED),
        ("bbh", "snarks", "(A)", "So the answer is (B).", CONTRADICTED),
        ("bbh", "snarks", "(B)", "So the answer is (B).", None),
        ("bbh", "snarks", "(A)", "It may be irony.", None),
        ("gsm8k", "", "4", "It is 5.", None),
    ],
)
def test_rules(benchmark: str, task: str, recorded: str, text: str, rule: str | None) -> None:
    assert rule_of(benchmark, task, recorded, text, correct=False) == rule


def test_a_right_answer_was_read() -> None:
    assert rule_of("gsm8k", "", "None", "It is 5.", correct=True) is None
