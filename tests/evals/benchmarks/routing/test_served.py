"""A running pool is asked one's own questions."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.benchmarks.routing.served import ask_pool
from experts.errors import ConfigError


def questions(folder: Path, count: int) -> str:
    rows = [{"question": f"Question {n}?", "answer": f"a{n}"} for n in range(count)]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(folder / "mine.jsonl")


async def test_a_bare_file_is_asked(
    gateway: Any, started: Any, config: Any, progress: Any, tmp_path: Path
) -> None:
    gateway.reply = lambda model, question: f"It is a{question[9:-1]}." if model == "alpha" else ""
    found = await ask_pool(progress, config(), ("pool/auto",), (questions(tmp_path, 20),))
    assert found.tasks == ("mine",)
    assert (found.owned, found.foreign) == (frozenset(), frozenset())
    assert found.experts["alpha"].scores["mine"].mean() == 1
    assert found.experts["beta"].scores["mine"].mean() == 0
    assert 0 < len(found.experts["alpha"].scores["mine"]) < 20


async def test_a_file_without_test_questions_is_refused_before_anything_starts(
    started: Any, config: Any, progress: Any, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("data: mine.jsonl\nprobe_share: 1.0\n")
    questions(tmp_path, 3)
    with pytest.raises(ConfigError, match="mine has no question of the split test"):
        await ask_pool(progress, config(), ("pool/auto",), (str(tmp_path / "mine.yaml"),))
    assert started == []
