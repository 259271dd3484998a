"""The evaluation data: probe and test rows of every skill, generated from a fixed seed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from experts.zoo.recipe import EXPERTS, skills_of
from experts.zoo.skills.base import Skill, Split
from experts.zoo.skills.registry import SKILLS

SEED = 0
USUAL_COUNTS: dict[Split, int] = {"probe": 128, "test": 200}
OTHER_COUNTS: dict[str, dict[Split, int]] = {
    "two_skill": {"probe": 40, "test": 120},
    "foreign": {"probe": 20, "test": 42},
}

OUTSIDE = ("foreign",)
"""Skills that no expert of the zoo has."""


def rows(skill: Skill) -> list[dict[str, Any]]:
    """Generate a skill's rows, without asking any question twice."""
    asked: set[str] = set()
    made: list[dict[str, Any]] = []
    for split, count in OTHER_COUNTS.get(skill.name, USUAL_COUNTS).items():
        rng = Random(f"{skill.name} {split} {SEED}")
        number = 0
        while number < count:
            example = skill.sample(rng, split)
            if example.question in asked:
                continue
            asked.add(example.question)
            number += 1
            made.append(
                {
                    "id": f"{skill.name}-{split}-{number:04d}",
                    "split": split,
                    "question": example.question,
                    "answer": example.answer,
                    "keywords": list(example.keywords),
                }
            )
    return made


def jsonl(skill: Skill) -> str:
    """Write a skill's rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(skill))


def owner(skill: Skill) -> str | None:
    """The specialist of a skill: of the experts that train on it, the one with the fewest."""
    known = [expert for expert in EXPERTS if skill.name in skills_of(expert)]
    return min(known, key=lambda expert: len(skills_of(expert)), default=None)


def task_file(skill: Skill) -> str:
    """Write a skill's task definition."""
    expert = owner(skill)
    named = f"expert: {expert}\n" if expert not in (None, skill.name) else ""
    outside = "outside: true\n" if skill.name in OUTSIDE else ""
    return (
        f"name: {skill.name}\n"
        "version: 1\n"
        f"description: {json.dumps(skill.description, ensure_ascii=False)}\n"
        f"data: data/{skill.name}.jsonl\n"
        "scorer: exact\n"
        "max_tokens: 32\n"
        f"skill: {skill.name}\n{named}{outside}"
    )


def write_all(folder: Path) -> None:
    """Write every task definition and its data."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for skill in SKILLS.values():
        (folder / f"{skill.name}.yaml").write_text(task_file(skill), encoding="utf-8")
        (folder / "data" / f"{skill.name}.jsonl").write_text(jsonl(skill), encoding="utf-8")
