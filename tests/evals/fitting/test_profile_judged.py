"""Open answers are profiled by an expert that grades them through the running service."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from evals.benchmarks import demo
from evals.benchmarks.routing.served import ask_pool
from evals.client.progress import Progress
from evals.fitting import profile
from evals.fitting.cascade import cascade
from evals.fitting.expert_add import only
from evals.fitting.probes import probes_of
from evals.fitting.profile import Profile, print_profile, run_profile
from evals.tasks.task import find_tasks
from experts.errors import ConfigError
from routers.outcomes import OutcomeTable

QUESTIONS = 3


class NoEncoder:
    """All texts are the same."""

    name, dimension = "none", 1

    def encode(self, texts: Sequence[str]) -> Any:
        return np.ones((len(texts), 1), dtype=np.float32)


@pytest.fixture
def task(tmp_path: Path) -> str:
    rows = [{"id": f"{n}", "split": "probe", "question": f"Essay {n}"} for n in range(QUESTIONS)]
    (tmp_path / "essays.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    tree = {"data": "essays.jsonl", "scorer": {"name": "judge", "expert": "strict"}}
    path = tmp_path / "essays.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return str(path)


@pytest.fixture
def judge(gateway: Any) -> Any:
    """`strict` likes what alpha writes; the gateway that asks it."""

    def reply(model: str, prompt: str) -> str:
        return f"VERDICT: {int('alpha:' in prompt)}" if model == "strict" else f"{model}: {prompt}"

    gateway.reply = reply
    return gateway


async def profiled(gateway: Any, task: str, out: Path) -> Profile:
    gateway.asked.clear()
    progress = Progress(Console(file=io.StringIO()))
    versions = {"alpha": "1", "beta": "1"}
    probes = probes_of(find_tasks([task]))
    return await run_profile(gateway.base_url, versions, probes, out, NoEncoder(), progress)


def scores(path: Path) -> dict[str, list[float]]:
    rows = OutcomeTable.read(path).rows.to_pylist()
    return {
        name: [row["score"] for row in rows if row["expert"] == name] for name in ("alpha", "beta")
    }


async def test_an_expert_grades_each_answer(judge: Any, task: str, tmp_path: Path) -> None:
    done = await profiled(judge, task, tmp_path / "outcomes.parquet")
    assert (done.rows, done.asked, done.failures) == (6, 6, ())
    assert scores(done.path) == {"alpha": [1] * 3, "beta": [0] * 3}
    models = [model for model, _ in judge.asked]
    assert models == ["alpha"] * 3 + ["strict"] * 3 + ["beta"] * 3 + ["strict"] * 3
    prompts = [prompt for model, prompt in judge.asked if model == "strict"]
    assert all("Essay" in prompt and "Rubric:" in prompt for prompt in prompts)


async def test_a_second_run_asks_and_grades_nothing(judge: Any, task: str, tmp_path: Path) -> None:
    await profiled(judge, task, tmp_path / "outcomes.parquet")
    done = await profiled(judge, task, tmp_path / "outcomes.parquet")
    assert judge.asked == []
    assert (done.rows, done.kept) == (6, 6)
    assert scores(done.path) == {"alpha": [1] * 3, "beta": [0] * 3}


async def test_an_answer_without_a_grade_leaves_no_row_and_is_asked_again(
    judge: Any, task: str, tmp_path: Path
) -> None:
    sane = judge.reply
    judge.reply = lambda model, prompt: "Turtles." if model == "strict" else sane(model, prompt)
    done = await profiled(judge, task, tmp_path / "outcomes.parquet")
    assert (done.rows, len(done.failures)) == (0, 6)
    console = Console(file=io.StringIO(), width=200)
    assert print_profile(console, done) == 1
    assert isinstance(console.file, io.StringIO)
    assert "FAILED: alpha, essays/0: The judge gave no verdict" in console.file.getvalue()
    judge.reply = sane
    again = await profiled(judge, task, tmp_path / "outcomes.parquet")
    assert (again.rows, again.failures) == (6, ())


async def test_a_judge_that_cannot_be_asked_costs_grades_only(
    judge: Any, task: str, tmp_path: Path
) -> None:
    text = Path(task).read_text(encoding="utf-8").replace("strict", "broken")
    Path(task).write_text(text, encoding="utf-8")
    done = await profiled(judge, task, tmp_path / "outcomes.parquet")
    assert done.rows == 0
    assert "The judge broken failed on the sample essays/0" in str(done.failures[0].error)


async def test_the_judge_must_be_in_the_pool(
    started: Any, config: Any, progress: Any, task: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        await profile.profile(progress, config(), (task,), tmp_path / "outcomes.parquet")
    assert error.value.problems == ("essays: scorer.expert: the pool has no expert `strict`",)
    assert started == []


async def test_the_command_profiles_with_the_pools_own_judge(
    judge: Any,
    started: Any,
    config: Any,
    progress: Any,
    task: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    remote = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    monkeypatch.setattr(profile, "MiniLMEncoder", NoEncoder)
    settings = config(experts={"alpha": remote, "beta": remote, "strict": remote})
    finish = await profile.profile(progress, settings, (task,), tmp_path / "outcomes.parquet")
    assert finish(progress.console) == 0
    assert scores(tmp_path / "outcomes.parquet") == {"alpha": [1] * 3, "beta": [0] * 3}


async def test_commands_that_cannot_ask_for_grades_refuse(
    started: Any, config: Any, progress: Any, task: str
) -> None:
    settings = config(
        compositions={
            "pool/auto": {"router": "near"},
            "pool/cascade": {"router": "near", "aggregator": {"type": "cascade", "accept": 0.5}},
        }
    )
    with pytest.raises(ConfigError, match="`coterie demo` asks no expert for grades"):
        await demo.demo(progress, settings, 1, (task,))
    with pytest.raises(ConfigError, match="`coterie eval pool or panels` asks no expert"):
        await ask_pool(progress, settings, (), (task,))
    with pytest.raises(ConfigError, match="`coterie cascade fit` asks no expert"):
        await cascade(progress, settings, "pool/cascade", (task,), (None, None), Path("t.json"))
    assert started == []


def test_a_new_expert_is_served_with_its_judge_and_their_bases(config: Any) -> None:
    hosted = {"type": "vllm", "model": "org/model"}
    adapter = {"type": "vllm", "model": "org/adapter", "adapter_of": "base"}
    experts = {"base": hosted, "new": adapter, "strict": hosted, "other": hosted}
    kept = only(config(experts=experts), {"new", "strict"})
    assert set(kept.experts) == {"base", "new", "strict"}
    assert (kept.routers, kept.compositions) == ({}, {})
