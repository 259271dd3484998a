"""Recorded models through the same command: each has exactly the accuracy that was recorded."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from repository import ROOT
from rich.console import Console

from evals.client.progress import Progress
from evals.runs.folder import RunFolder
from evals.runs.record import Row
from evals.runs.run import run
from evals.runs.settings import RunOptions
from evals.tasks.places import DATA_ROOT

DATA = ROOT.parent / "shared/data/outcomes"
SIX = (
    "deepseek-v3",
    "gigachat-2-max",
    "gigachat-lite",
    "qwen2.5-32b-instruct",
    "qwen2.5-7b-instruct",
    "vikhr-yandexgpt-5-lite-8b",
)
ZERO_SIX = (
    "Llama-3.1-405B-Instruct-fp8@together",
    "Meta-Llama-3.1-8B-Instruct",
    "Mistral-Large-2",
    "Qwen2-7B-Instruct",
    "deepseek-v2-chat-0628",
    "deepseek-v2-coder-0614",
)
pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the recorded tables lie beside the repository, not in it"
)


def table(source: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(DATA / f"{source}_{name}.parquet").to_pylist()
    return rows


def write(folder: Path, source: str, benchmark: str, models: tuple[str, ...]) -> tuple[Path, Path]:
    """A task of the recorded questions, and a pool of the models that answered them."""
    rows = [
        {"id": one["query_id"], "split": "test", "question": one["query"], "answer": one["gold"]}
        for one in table(source, "queries")
        if one["benchmark"] == benchmark
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
    spec = {
        "name": benchmark,
        "version": 1,
        "description": f"{benchmark}, as it was recorded",
        "data": "rows.jsonl",
        "scorer": "number",
        "max_tokens": 2048,
        "skill": "math",
    }
    task, pool = folder / "task.yaml", folder / "pool.yaml"
    task.write_text(yaml.safe_dump(spec), encoding="utf-8")
    experts = {
        name.partition("@")[0]: {
            "type": "replay",
            "recording": str(DATA / source),
            "model": name,
            "price_usd_per_mtok": 1.0,
        }
        for name in models
    }
    tree = {
        "experts": experts,
        "routers": {"drawn": {"type": "random"}},
        "compositions": {
            "pool/vote": {"router": "drawn", "aggregator": {"type": "vote", "answer": "number"}}
        },
    }
    pool.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return task, pool


async def rows_of(folder: Path, task: Path, pool: Path, models: tuple[str, ...]) -> list[Row]:
    console = Console(file=io.StringIO(), width=160)
    options = RunOptions(
        (str(task),), models, folder / "run", split="all", cache=folder / "answers.sqlite"
    )
    with Progress(console) as progress:
        finish = await run(progress, pool, options)
    assert finish(console) == 0
    return RunFolder(options.out).rows()


def recorded(source: str, benchmark: str, models: tuple[str, ...]) -> dict[tuple[str, str], float]:
    """(model, question) -> the recorded score."""
    wanted = {one["query_id"] for one in table(source, "queries") if one["benchmark"] == benchmark}
    return {
        (one["model"].partition("@")[0], one["query_id"]): one["score"]
        for one in table(source, "outcomes")
        if one["model"] in models and one["query_id"] in wanted
    }


@pytest.mark.slow
async def test_six_recorded_models_have_exactly_their_accuracy(tmp_path: Path) -> None:
    task, pool = write(tmp_path, "simple_evals_ru", "mgsm_en", SIX)
    rows = await rows_of(tmp_path, task, pool, (*SIX, "pool/vote"))
    truth = recorded("simple_evals_ru", "mgsm_en", SIX)
    own = {
        (row.subject, row.sample.removeprefix("mgsm_en/")): row.score
        for row in rows
        if row.subject in SIX
    }
    assert len(own) == 6 * 200
    assert own == truth
    accuracy: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        accuracy[row.subject].append(row.score)
    # Three of six, drawn by chance, of which two agree, are better than a mean one.
    assert sum(accuracy["pool/vote"]) > sum(sum(accuracy[name]) for name in SIX) / 6
    # The panels' calls are the models' own: what is counted was asked once.
    assert all(row.calls.keys() <= set(SIX) for row in rows)


AS_ZEROEVAL_READS = {
    "name": "number",
    "extract": [
        {"json_key": "answer", "which": "first", "lenient": True},
        {"regex": r"-?\d+(?:\.\d+)?", "remove": ","},
    ],
}
"""The answer of the first JSON object, and the last number in it."""


@pytest.mark.slow
async def test_the_shipped_gsm8k_has_the_recorded_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_ROOT, str(DATA.parent / "questions"))
    _, pool = write(tmp_path, "zeroeval", "gsm8k", ZERO_SIX)
    task = tmp_path / "gsm8k.yaml"
    task.write_text(yaml.safe_dump({"extends": "gsm8k", "scorer": AS_ZEROEVAL_READS}))
    names = tuple(name.partition("@")[0] for name in ZERO_SIX)
    rows = await rows_of(tmp_path, task, pool, names)
    truth = recorded("zeroeval", "gsm8k", ZERO_SIX)
    assert len(rows) == len(truth) == 6 * 1319
    assert _totals({(row.subject, row.sample): row.score for row in rows}) == _totals(truth)


def _totals(scores: dict[tuple[str, str], float]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for (model, _), score in scores.items():
        found[model] += score
    return found
