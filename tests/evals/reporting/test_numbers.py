"""Numbers are written out, and nouns agree with them."""

import pytest

from evals.reporting.numbers import counted, number


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (1234.5, "1,234"), (0.04567, "0.0457"), (3.14159, "3.14"), (0.00001, "1.0e-05"),
     (2.0, "2"), (99.96, "100"), (1740.0, "1,740"), (110.4, "110")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float, said: str) -> None:
    assert number(value) == said


def test_nouns_agree_with_their_number() -> None:
    assert counted(1, "load") == "1 load"
    assert counted(0, "load") == "0 loads"
    assert counted(2_000, "category", "categories") == "2,000 categories"
