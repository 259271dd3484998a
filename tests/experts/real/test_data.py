"""The tasks that ship are what the generator makes, and their answers are right."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from repository import ROOT

from evals.tasks.task import load_tasks
from experts.real import data
from experts.real.skills.conversions import CLOCKED, METRIC
from experts.real.skills.lesson import Lesson
from experts.real.skills.registry import SKILLS
from experts.zoo.skills.base import SPLITS, Split

TASKS = ROOT / "examples" / "real" / "tasks"
FACTORS = {(pair.large, pair.small): pair.factor for pair in (*METRIC, *CLOCKED)}


def lessons(name: str, split: Split, count: int = 300) -> list[Lesson]:
    rng = Random(f"{name} {split} test")
    return [SKILLS[name].draw(rng, split) for _ in range(count)]


@pytest.mark.parametrize("name", SKILLS)
def test_files_match_the_generator(name: str) -> None:
    assert (TASKS / f"{name}.jsonl").read_text(encoding="utf-8") == data.jsonl(SKILLS[name])
    assert (TASKS / f"{name}.yaml").read_text(encoding="utf-8") == data.task_file(SKILLS[name])


@pytest.mark.parametrize("name", SKILLS)
def test_a_task_scores_its_own_replies_right(name: str) -> None:
    task = load_tasks((name,), TASKS)[name]
    counts = {split: len(task.samples(split)) for split in ("probe", "test")}
    assert counts == data.COUNTS
    for lesson in lessons(name, "test"):
        sample = replace(task.rows[0], answer=lesson.answer)
        assert task.score(sample, lesson.reply) == 1
        assert task.score(sample, f"Sure! {lesson.reply}") == 1
        assert task.score(sample, "I do not know.") == 0


@pytest.mark.parametrize("name", SKILLS)
def test_no_question_is_in_two_splits(name: str) -> None:
    seen = {split: {lesson.question for lesson in lessons(name, split)} for split in SPLITS}
    assert not seen["train"] & (seen["probe"] | seen["test"])
    assert not seen["probe"] & seen["test"]


def test_conversions_keep_their_value() -> None:
    for lesson in lessons("conversions", "train"):
        said = re.fullmatch(r"([\d.]+) (\w+) is ([\d.]+) (\w+)\.", lesson.reply)
        assert said, lesson.reply
        given, unit, result, to = Decimal(said[1]), said[2], Decimal(said[3]), said[4]
        assert f"{said[1]} {unit}" in lesson.question
        if (unit, to) in FACTORS:
            assert given * FACTORS[unit, to] == result
        else:
            assert result * FACTORS[to, unit] == given


def test_problems_calculate_right_with_what_the_story_says() -> None:
    for lesson in lessons("problems", "train"):
        steps = re.findall(r"(\d+) ([+x-]) (\d+) = (\d+)", lesson.reply)
        assert len(steps) == 2
        for left, sign, right, result in steps:
            a, b = int(left), int(right)
            assert int(result) == {"+": a + b, "-": a - b, "x": a * b}[sign] >= 0
        assert steps[1][3] == lesson.answer
        given = set(re.findall(r"\d+", lesson.question))
        assert {steps[0][0], steps[0][2]} <= given


def test_extracted_values_stand_in_the_text() -> None:
    for lesson in lessons("extraction", "train"):
        facts = json.loads(lesson.answer)
        assert len(facts) >= 2
        for key, value in facts.items():
            assert key in lesson.question
            assert str(value) in lesson.question
