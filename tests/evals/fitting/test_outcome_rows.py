"""Scored answers of a service become rows; every bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.fitting.outcome_rows import read_scored
from experts.errors import ConfigError
from experts.spec import OpenAISpec

SPEC = OpenAISpec(type="openai", base_url="http://127.0.0.1:9/v1", model="m")
GOOD = {"query_id": "served/1", "task": "pool/auto", "query": "Why?", "expert": "a", "score": 0.5}


def test_rows_carry_the_experts_version(tmp_path: Path) -> None:
    file = tmp_path / "scored.jsonl"
    file.write_text(json.dumps(GOOD) + "\n\n")
    (row,) = read_scored(file, {"a": SPEC})
    assert (row.query, row.score) == ("Why?", 0.5)
    assert row.expert_version == "m at http://127.0.0.1:9/v1"


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "scored.jsonl"
    bad = ["{", json.dumps({**GOOD, "score": 7}), json.dumps({**GOOD, "expert": "eve"})]
    file.write_text("\n".join(bad))
    with pytest.raises(ConfigError) as caught:
        read_scored(file, {"a": SPEC})
    first, second, third = caught.value.problems
    assert first.startswith("line 1: not JSON")
    assert second == "line 2: score: Input should be less than or equal to 1"
    assert third == "line 3: no expert is called `eve`"


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_nothing_to_read(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "scored.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"cannot be read|holds no outcomes"):
        read_scored(file, {"a": SPEC})
