"""A new expert of a running service: what it is asked, and what the routers make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from repository import ROOT

from evals.fitting.introduction import introduce
from evals.tasks.task import load_tasks
from experts.errors import ConfigError, ExpertLost
from orchestrator.config.model import Config, load_config
from orchestrator.reload.introducing import Answer
from routers.outcomes import Outcome, OutcomeTable

pytestmark = pytest.mark.slow
KNOWN = ("arithmetic", "logic", "generalist")
COUNT = 48
RIGHT = {
    sample.question: (task.name, sample.answer)
    for task in load_tasks().values()
    for sample in task.samples("probe")
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """What three experts of the zoo said."""
    whole = OutcomeTable.read(ROOT / "experts/zoo/outcomes.parquet")
    rows = [Outcome(**row) for row in whole.rows.to_pylist() if row["expert"] in KNOWN]
    made = replace(OutcomeTable.from_rows(rows), vectors=whole.vectors, encoder=whole.encoder)
    path = tmp_path / "outcomes.parquet"
    made.write(path)
    return path


def _config(table: Path, *more: str, **keys: Any) -> Config:
    remote = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    tree = {
        "experts": {name: remote for name in (*KNOWN, *more)},
        "routers": {"near": {"type": "knn", "outcomes": str(table)}, "any": {"type": "random"}},
        "compositions": {"pool/auto": {"router": "near"}},
        **keys,
    }
    path = table.parent / "pool.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_config(path)


class Geographer:
    """Knows geography, and says nothing right about anything else."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lost = 0

    async def __call__(self, expert: str, body: Mapping[str, Any]) -> Answer:
        assert expert == "new"
        assert body["temperature"] == 0
        question = body["messages"][-1]["content"]
        self.asked.append(question)
        if len(self.asked) <= self.lost:
            raise ExpertLost("It is gone.", expert=expert)
        task, answer = RIGHT[question]
        return Answer(answer if task == "geography" else "no idea", 3, 0.01)


async def test_its_answers_are_scored_kept_and_learned_from(table: Path) -> None:
    ask = Geographer()
    before = len(OutcomeTable.read(table))
    told = await introduce(_config(table), _config(table, "new"), "new", COUNT, ask)
    assert (told["asked"], told["failed"], told["why"]) == (COUNT, 0, "")
    assert len(set(ask.asked)) == COUNT
    scores = {one["task"]: one["mean_score"] for one in told["tasks"]}
    assert scores.pop("geography") == 1
    assert set(scores.values()) == {0}
    assert len(OutcomeTable.read(table)) == before + COUNT
    (shift,) = told["shifts"]
    assert shift["router"] == "near"
    assert "new" not in shift["before"]
    assert shift["after"]["new"] > 0
    assert shift["predicted_after"] > shift["predicted_before"]
    assert shift["why"] == ""


async def test_a_second_time_only_what_is_missing_is_asked(table: Path) -> None:
    grown, first, second = _config(table, "new"), Geographer(), Geographer()
    first.lost = 5
    told = await introduce(_config(table), grown, "new", COUNT, first)
    assert (told["asked"], told["failed"]) == (COUNT, 5)
    told = await introduce(_config(table), grown, "new", COUNT, second)
    assert (told["asked"], told["failed"]) == (5, 0)
    told = await introduce(_config(table), grown, "new", COUNT, second)
    assert told["asked"] == 0
    assert told["why"] == "The table has its answers to these questions already."


async def test_an_expert_that_never_answers_is_not_learned_from(table: Path) -> None:
    ask = Geographer()
    ask.lost = COUNT
    before = len(OutcomeTable.read(table))
    told = await introduce(_config(table), _config(table, "new"), "new", COUNT, ask)
    assert (told["asked"], told["failed"]) == (COUNT, COUNT)
    assert told["why"] == f"None of {COUNT} questions was answered: It is gone."
    assert "answered none" in told["shifts"][0]["why"]
    assert len(OutcomeTable.read(table)) == before


async def test_questions_that_no_task_scores_are_a_clear_error(table: Path) -> None:
    probes = {"server": {"probes": {"tasks": [str(ROOT / "examples/forty.jsonl")]}}}
    with pytest.raises(ConfigError, match=r"could be scored.*server\.probes\.tasks"):
        await introduce(
            _config(table, **probes), _config(table, "new", **probes), "new", COUNT, Geographer()
        )


async def test_without_a_router_that_learns_nobody_is_asked(table: Path) -> None:
    keys: dict[str, Any] = {
        "routers": {"any": {"type": "random"}},
        "compositions": {"pool/auto": {"router": "any"}},
    }
    ask = Geographer()
    with pytest.raises(ConfigError, match="No router learns"):
        await introduce(_config(table, **keys), _config(table, "new", **keys), "new", COUNT, ask)
    assert ask.asked == []
