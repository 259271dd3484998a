"""What is said of a panel's cost: routing that reads the question is not the panel's."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evals.benchmarks.panels.panel_bench import Overhead, print_overheads

EXPERTS = ("one", "two", "three")


@pytest.mark.parametrize(
    ("one", "code", "words"),
    [
        (Overhead("random", False, 50, 56, 6.0, 0.1), 0, "random: orchestration of 3 experts adds"),
        (Overhead("random", False, 50, 61, 11.0, 0.1), 1, "adds 11.0 ms (target"),
        (Overhead("knn", True, 50, 64, 14.0, 8.0), 0, "adds 6.0 ms beside routing"),
    ],
)
def test_the_target_is_the_panels_own_cost(one: Overhead, code: int, words: str) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    assert print_overheads(console, [one], EXPERTS) == code
    said = console.export_text()
    assert words in said
    assert "A panel of one, two, three" in said
