"""The probe run: what it asks, what it does not ask again, and what it writes."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from evals.client.progress import Progress
from evals.fitting import profile
from evals.fitting.probes import probes_of
from evals.fitting.profile import Profile, print_profile, run_profile
from evals.tasks.task import Task, find_tasks
from experts.errors import ConfigError
from experts.files.versions import expert_version
from experts.spec import OpenAISpec, VllmSpec
from routers.outcomes import OutcomeTable


class TinyEncoder:
    """The length of a text, in two dimensions."""

    name = "tiny"
    dimension = 2

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[np.cos(len(t)), np.sin(len(t))] for t in texts], dtype=np.float32)


Run = Callable[..., Any]


@pytest.fixture
def run(gateway: Any, tmp_path: Path) -> Run:
    """Runs a profile into one table; by default of `alpha` and `beta`, version 1 each."""

    async def start(tasks: Sequence[Task], **versions: str) -> Profile:
        gateway.asked.clear()
        return await run_profile(
            gateway.base_url,
            versions or {"alpha": "1", "beta": "1"},
            probes_of(tasks),
            tmp_path / "outcomes.parquet",
            TinyEncoder(),
            Progress(Console(file=io.StringIO())),
        )

    return start


async def test_every_expert_answers_every_probe_once(
    gateway: Any, run: Run, make_task: Callable[..., Task]
) -> None:
    gateway.reply = lambda expert, question: "adding 1" if expert == "alpha" else "?"
    done = await run([make_task("adding", 3)])

    assert [model for model, _ in gateway.asked] == ["alpha"] * 3 + ["beta"] * 3
    assert all(" probe " in question for _, question in gateway.asked)
    assert (done.rows, done.asked, done.kept, done.failures) == (6, 6, 0, ())
    table = OutcomeTable.read(done.path)
    _, experts, scores = table.matrix()
    assert experts == ["alpha", "beta"]
    assert scores.tolist() == [[0, 0], [1, 0], [0, 0]]
    assert table.encoder == "tiny"
    assert table.embeddings().shape == (3, 2)


async def test_a_second_run_asks_nothing(
    gateway: Any, run: Run, make_task: Callable[..., Task]
) -> None:
    await run([make_task("adding")])
    done = await run([make_task("adding")])

    assert gateway.asked == []
    assert (done.rows, done.asked, done.kept) == (8, 0, 8)


async def test_a_new_expert_and_a_new_version_are_asked(
    gateway: Any, run: Run, make_task: Callable[..., Task]
) -> None:
    await run([make_task("adding")])
    done = await run([make_task("adding")], alpha="2", beta="1", gamma="1")

    assert {model for model, _ in gateway.asked} == {"alpha", "gamma"}
    assert done.rows == 12


async def test_one_task_leaves_the_rows_of_the_others(
    gateway: Any, run: Run, make_task: Callable[..., Task]
) -> None:
    await run([make_task("adding")])
    done = await run([make_task("spelling")])

    assert all(question.startswith("spelling") for _, question in gateway.asked)
    assert done.rows == 16


async def test_a_changed_question_is_asked_again(
    gateway: Any, run: Run, make_task: Callable[..., Task]
) -> None:
    await run([make_task("adding", 2)])
    task = make_task("adding", 2)
    changed = replace(task.rows[0], question="another?")
    done = await run([Task(task.spec, (changed, *task.rows[1:]))])

    assert gateway.asked == [("alpha", "another?"), ("beta", "another?")]
    assert done.rows == 4
    table = OutcomeTable.read(done.path)
    assert table.vectors["adding-probe-0"] == pytest.approx(TinyEncoder().encode(["another?"])[0])


async def test_a_changed_answer_is_scored_again_without_asking(
    gateway: Any, run: Run, make_task: Callable[..., Task]
) -> None:
    gateway.reply = lambda expert, question: "seven"
    task = make_task("adding", 1)
    first = await run([task])
    assert OutcomeTable.read(first.path).rows["score"].to_pylist() == [0, 0]
    changed = replace(task.rows[0], answer="seven")
    done = await run([Task(task.spec, (changed,))])

    assert gateway.asked == []
    assert OutcomeTable.read(done.path).rows["score"].to_pylist() == [1, 1]


async def test_a_failed_call_leaves_no_row_and_is_asked_again(
    gateway: Any, run: Run, make_task: Callable[..., Task]
) -> None:
    done = await run([make_task("adding")], alpha="1", broken="1")

    assert (done.rows, len(done.failures)) == (4, 4)
    console = Console(file=io.StringIO(), width=120)
    assert print_profile(console, done) == 1
    assert isinstance(console.file, io.StringIO)
    assert "FAILED: broken, adding-probe-0: HTTP 502: it broke" in console.file.getvalue()
    again = await run([make_task("adding")], alpha="1", broken="1")
    assert {model for model, _ in gateway.asked} == {"broken"}
    assert again.kept == 4


async def test_a_file_that_is_no_table_stays_as_it_is(
    run: Run, make_task: Callable[..., Task], tmp_path: Path
) -> None:
    (tmp_path / "outcomes.parquet").write_text("precious", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"outcomes\.parquet"):
        await run([make_task("adding")])

    assert (tmp_path / "outcomes.parquet").read_text(encoding="utf-8") == "precious"


def test_versions_follow_the_weights_and_the_base(tmp_path: Path) -> None:
    for name in ("base", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_bytes(name.encode())
    experts = {
        "base": VllmSpec(type="vllm", model=str(tmp_path / "base")),
        "adapter": VllmSpec(type="vllm", model=str(tmp_path / "adapter"), adapter_of="base"),
        "hub": VllmSpec(type="vllm", model="org/model"),
        "remote": OpenAISpec(type="openai", base_url="http://other:8000/v1", model="big"),
    }
    before = {name: expert_version(name, experts) for name in experts}
    (tmp_path / "base" / "weights.safetensors").write_bytes(b"trained")
    after = {name: expert_version(name, experts) for name in experts}

    assert [name for name in experts if before[name] != after[name]] == ["base", "adapter"]
    assert before["hub"] == "org/model"
    assert before["remote"] == "big at http://other:8000/v1"
    assert str(tmp_path) not in "".join(before.values())


class NoEncoder:
    """All texts are the same."""

    name, dimension = "none", 1

    def encode(self, texts: list[str]) -> Any:
        return [[1.0]] * len(texts)


async def test_ones_own_questions_need_nothing_but_a_file(
    gateway: Any, started: Any, config: Any, progress: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    rows = [{"question": f"How much is 1 + {n}?", "answer": n + 1} for n in range(40)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    gateway.reply = lambda model, question: "It is 8." if model == "alpha" else "?"
    monkeypatch.setattr(profile, "MiniLMEncoder", NoEncoder)
    out = tmp_path / "outcomes.parquet"
    finish = await profile.profile(progress, config(), (str(tmp_path / "mine.jsonl"),), out)

    assert finish(progress.console) == 0
    (task,) = find_tasks([str(tmp_path / "mine.jsonl")])
    asked = {row.question for row in task.samples("probe")}
    found = OutcomeTable.read(out).rows.to_pylist()
    assert {(row["query"], row["expert"]) for row in found} == {
        (question, expert) for question in asked for expert in ("alpha", "beta")
    }
    right = {row["query"] for row in found if row["score"] == 1}
    assert right == {"How much is 1 + 7?"} & asked


async def test_no_outcome_table_is_needed_before(
    started: Any, config: Any, progress: Any, make_task: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    tasks = {name: make_task(name) for name in ("alpha", "beta")}
    monkeypatch.setattr(profile, "MiniLMEncoder", NoEncoder)
    monkeypatch.setattr(profile, "find_tasks", lambda names: tuple(tasks.values()))
    finish = await profile.profile(progress, config(), (), tmp_path / "outcomes.parquet")

    assert [one.config.routers for one in started] == [{}]
    assert finish(progress.console) == 0
    assert (tmp_path / "outcomes.parquet").exists()


async def test_where_the_table_goes_must_be_known(started: Any, config: Any, progress: Any) -> None:
    with pytest.raises(ConfigError, match="--out"):
        await profile.profile(progress, config(routers={}, compositions={}), (), None)
    assert started == []


async def test_a_complete_table_is_known_before_anything_is_started(
    run: Run, make_task: Callable[..., Task], tmp_path: Path
) -> None:
    path, task = tmp_path / "outcomes.parquet", make_task("adding")
    versions, probes = {"alpha": "1", "beta": "1"}, probes_of([task])
    assert not profile.is_complete(path, versions, probes)
    await run([task], **versions)
    assert profile.is_complete(path, versions, probes)
    assert not profile.is_complete(path, {**versions, "beta": "2"}, probes)
    assert not profile.is_complete(path, {**versions, "gamma": "1"}, probes)
