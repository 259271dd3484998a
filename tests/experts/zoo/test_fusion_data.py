"""Training data of fused models hold the test questions out, and reject what is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import pytest
from repository import ROOT

from experts.zoo import fusion_data
from experts.zoo.skills.base import Example, split_of
from experts.zoo.skills.registry import SKILLS
from experts.zoo.skills.two_skill import PAIRS

TASKS = ROOT / "evals" / "tasks" / "zoo" / "data"
COUNT = 2000


def held_out_questions() -> set[str]:
    files = TASKS.glob("*.jsonl")
    rows = [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]
    return {row["question"] for row in rows}


def test_no_question_of_the_tasks_is_trained_on() -> None:
    asked = {row["prompt"] for row in fusion_data.sft_rows(COUNT, 0)}
    asked |= {row["prompt"] for row in fusion_data.preference_rows(COUNT, 0, None)}
    assert len(asked) > COUNT
    assert not asked & held_out_questions()


def test_the_mix_names_skills_and_pairs_that_exist() -> None:
    pairs = {(first.name, second) for first, second, _, _ in PAIRS}
    assert {skills for skills in fusion_data.MIX if len(skills) == 2} == pairs
    assert {skills[0] for skills in fusion_data.MIX if len(skills) == 1} < set(SKILLS)
    rng = Random(0)
    drawn = [fusion_data.draw(rng).keywords for _ in range(COUNT)]
    assert {skills for skills in drawn if skills in pairs} == pairs


def test_second_operands_of_the_test_are_held_out() -> None:
    numbers = [n for n in range(1, 200) if split_of(n) == "test"]
    assert len(numbers) > 10
    assert fusion_data.held_out(Example("", f"{numbers[0]} ; X", ("arithmetic", "roman")))
    assert not fusion_data.held_out(Example("", str(numbers[0]), ("arithmetic", "addition")))
    for row in fusion_data.sft_rows(COUNT, 1):
        first, separator, second = row["answer"].partition(" ; ")
        if separator and set(second) <= set("IVXLC") and first.isdecimal():
            assert int(first) not in numbers
        elif separator:
            assert split_of(first.lower()) != "test"


def test_rejected_answers_are_wrong_and_varied() -> None:
    rows = fusion_data.preference_rows(COUNT, 0, None)
    assert all(row["rejected"].strip() not in ("", row["chosen"]) for row in rows)
    two = [row for row in rows if " ; " in row["chosen"]]
    kinds = {
        "one part": [row for row in two if " ; " not in row["rejected"]],
        "wrong second": [r for r in two if r["rejected"].startswith(r["chosen"].split(" ; ")[0])],
        "three parts": [row for row in two if row["rejected"].count(" ; ") == 2],
    }
    assert all(len(found) > len(two) / 20 for found in kinds.values())


def test_equal_seeds_make_equal_data() -> None:
    assert fusion_data.sft_rows(50, 3) == fusion_data.sft_rows(50, 3)
    assert fusion_data.sft_rows(50, 3) != fusion_data.sft_rows(50, 4)
    assert fusion_data.preference_rows(50, 3, None) == fusion_data.preference_rows(50, 3, None)


def test_files_with_answers_of_experts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fusion_data, "MEMBERS", ("geography",))
    arguments = ["--out", str(tmp_path / "new"), "--sft", "5", "--preferences", "12"]
    monkeypatch.setattr(sys, "argv", ["fusion_data", *arguments])
    fusion_data.main()
    assert "geography answered" in capsys.readouterr().out
    lines = (tmp_path / "new" / "preferences.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(set(row) == {"prompt", "chosen", "rejected"} for row in rows)
    assert all(row["chosen"] != row["rejected"] for row in rows)
    assert len((tmp_path / "new" / "sft.jsonl").read_text("utf-8").splitlines()) == 5
