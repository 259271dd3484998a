"""What counts as the same answer."""

from dataclasses import dataclass

import pytest

from evals.tasks.scorers import exact


@dataclass
class Sample:
    answer: str


@pytest.mark.parametrize(
    ("answer", "text", "score"),
    [
        ("41, 66", " 41,  66\n", 1),
        ("Nacht ; N", "Nacht ;\tN", 1),
        ("Tripoli", "tripoli", 0),
        ("12", "1 2", 0),
        ("12", "12.", 0),
        ("12", "", 0),
    ],
)
def test_exact(answer: str, text: str, score: float) -> None:
    assert exact(Sample(answer), text) == score
