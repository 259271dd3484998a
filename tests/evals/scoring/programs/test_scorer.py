"""Every solution that HumanEval and MBPP publish passes their tests here."""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evals.scoring.batch import score_all
from evals.scoring.registry import make_scorer

QUESTIONS = Path(__file__).parents[5] / "shared" / "data" / "questions"
HUMANEVAL, MBPP = QUESTIONS / "humaneval.jsonl.gz", QUESTIONS / "mbpp.jsonl"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HUMANEVAL.exists() or not MBPP.exists(), reason="needs the questions"),
]


def _humaneval() -> list[tuple[Any, str]]:
    lines = gzip.decompress(HUMANEVAL.read_bytes()).decode().split("\n")
    rows = [json.loads(line) for line in lines if line]
    return [
        (
            SimpleNamespace(
                id=row["task_id"],
                answer="",
                fields={
                    "prefix": row["prompt"],
                    "entry_point": row["entry_point"],
                    "tests": f"{row['test']}\ncheck({row['entry_point']})",
                },
            ),
            row["canonical_solution"],
        )
        for row in rows
    ]


def _mbpp() -> list[tuple[Any, str]]:
    rows = [json.loads(line) for line in MBPP.read_text(encoding="utf-8").split("\n") if line]
    return [
        (
            SimpleNamespace(
                id=row["task_id"],
                answer="",
                fields={"tests": [row["test_setup_code"], *row["test_list"]]},
            ),
            row["code"],
        )
        for row in rows
    ]


@pytest.mark.parametrize(("pairs", "count"), [(_humaneval, 164), (_mbpp, 974)])
def test_all_pass(pairs: Any, count: int) -> None:
    asked = pairs()
    assert len(asked) == count
    found = score_all(make_scorer("code"), asked, workers=2)
    failed = [pair[0].id for pair, score in zip(asked, found.values, strict=True) if score < 1]
    assert (failed, found.problems) == ([], {})
