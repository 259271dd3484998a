"""Tasks of three made-up skills, and a pool of the scripted experts that have them."""

import json
from pathlib import Path
from typing import Any

import yaml

SKILLS = ("sums", "cities", "words")
QUESTIONS = 6
"""Of each task."""


def write_task(folder: Path, skill: str, count: int = QUESTIONS) -> Path:
    rows = [
        {
            "id": f"{skill}-{n}",
            "split": "test",
            "question": f"{skill} {n}?",
            "answer": f"{skill} {n}",
        }
        for n in range(count)
    ]
    data = folder / f"{skill}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    spec = {
        "name": skill,
        "version": 1,
        "description": skill,
        "data": data.name,
        "scorer": "exact",
        "max_tokens": 16,
        "skill": skill,
    }
    path = folder / f"{skill}.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path


def pool_tree(base_url: str, **changes: Any) -> dict[str, Any]:
    remote = {"type": "openai", "base_url": base_url, "price_usd_per_mtok": 2.0}
    return {
        "experts": {name: {**remote, "model": name} for name in SKILLS},
        "routers": {"fixed": {"type": "static", "expert": "sums"}, "drawn": {"type": "random"}},
        "compositions": {
            "pool/auto": {"router": "fixed"},
            "pool/vote": {"router": "drawn", "aggregator": {"type": "vote", "answer": "text"}},
            "pool/cascade": {"router": "drawn", "aggregator": {"type": "cascade", "accept": 0.5}},
        },
        **changes,
    }
