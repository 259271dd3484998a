"""How real models end their answers, and what is read there: a table, one ending a line.

About half are the ends of recorded answers whose verdicts are known; the rest are written for it.
`expected: null` is an ending that concludes with nothing, or with more than one thing.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aggregators.answers.extraction import extract

LONGEST = 200
ENDINGS: list[dict[str, Any]] = [
    json.loads(line)
    for line in Path(__file__).with_name("endings.jsonl").read_text(encoding="utf-8").splitlines()
]

ANNOUNCED = [
    ending
    for ending in ENDINGS
    if ending["expected"] is not None
    and ("nswer:" in ending["text"] or "nswer is" in ending["text"])
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending["text"][-40:])
def test_the_ending_is_read(ending: dict[str, Any]) -> None:
    assert extract(ending["kind"], ending["text"]) == ending["expected"]


@pytest.mark.parametrize("ending", ANNOUNCED, ids=lambda ending: ending["text"][-40:])
def test_what_stands_before_makes_no_difference_to_an_announced_answer(
    ending: dict[str, Any],
) -> None:
    before = "First we look at (C) and at 17.\nThen 2 + 2 = 4, so x is 4.\n\n"
    assert extract(ending["kind"], before + ending["text"]) == ending["expected"]


def test_the_table_is_large_short_and_without_repetition() -> None:
    count = Counter(ending["kind"] for ending in ENDINGS)
    assert len(ENDINGS) >= 200
    assert min(count[kind] for kind in ("choice", "number", "latex")) >= 40
    assert all(len(ending["text"]) <= LONGEST for ending in ENDINGS)
    assert len({(ending["kind"], ending["text"]) for ending in ENDINGS}) == len(ENDINGS)
