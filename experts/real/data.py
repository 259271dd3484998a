"""The tasks: probe and test questions of every skill, generated from a fixed seed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from experts.real.skills.lesson import LessonSkill
from experts.real.skills.registry import SKILLS
from experts.zoo.skills.base import Split

SEED = 0
COUNTS: dict[Split, int] = {"probe": 64, "test": 120}


def rows(skill: LessonSkill) -> list[dict[str, Any]]:
    """Generate a skill's rows, without asking any question twice."""
    made: dict[str, dict[str, Any]] = {}
    for split, count in COUNTS.items():
        rng = Random(f"{skill.name} {split} {SEED}")
        wanted = len(made) + count
        while len(made) < wanted:
            lesson = skill.draw(rng, split)
            number = len(made) - wanted + count + 1
            made.setdefault(
                lesson.question,
                {
                    "id": f"{skill.name}-{split}-{number:04d}",
                    "split": split,
                    "question": lesson.question,
                    "answer": lesson.answer,
                    "keywords": list(lesson.keywords),
                },
            )
    return list(made.values())


def jsonl(skill: LessonSkill) -> str:
    """Write a skill's rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(skill))


def task_file(skill: LessonSkill) -> str:
    """Write a skill's task definition."""
    return (
        f"name: {skill.name}\n"
        "version: 1\n"
        f"description: {json.dumps(skill.description)}\n"
        f"data: {skill.name}.jsonl\n"
        f"scorer: {skill.scorer}\n"
        f"max_tokens: {skill.max_tokens}\n"
        f"skill: {skill.name}\n"
    )


def write_all(folder: Path) -> None:
    """Write every task definition and its data."""
    folder.mkdir(parents=True, exist_ok=True)
    for skill in SKILLS.values():
        (folder / f"{skill.name}.yaml").write_text(task_file(skill), encoding="utf-8")
        (folder / f"{skill.name}.jsonl").write_text(jsonl(skill), encoding="utf-8")
