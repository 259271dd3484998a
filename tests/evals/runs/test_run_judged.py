"""A run whose answers an expert of the pool grades: verdicts are calls like all others."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from scripted_experts import ScriptedExperts
from scripted_pool import pool_tree

from evals.client.progress import Progress
from evals.report.writing import write_report
from evals.runs.folder import RunFolder
from evals.runs.record import Row, RunInfo
from evals.runs.run import run
from evals.runs.settings import RunOptions
from experts.errors import ConfigError

Options = Callable[..., RunOptions]
Body = dict[str, Any]
QUESTIONS = 8
SUBJECTS = ("sums", "cities", "pool/auto")


def judge_says(verdict: Callable[[str], str]) -> Callable[[Body], str | None]:
    """Lets `judge` reply to a prompt; the others answer as ever, `sums` every other question."""

    def says(body: Body) -> str | None:
        prompt = body["messages"][0]["content"]
        if body["model"] == "judge":
            return verdict(prompt)
        right = body["model"] == "sums" and int(prompt.split()[-1]) % 2 == 0
        return f"{body['model']} says {'yes' if right else 'no'} to {prompt}"

    return says


def honest(prompt: str) -> str:
    return f"Let me see.\nVERDICT: {int('says yes' in prompt)}"


@pytest.fixture
def pool(experts: ScriptedExperts, tmp_path: Path) -> Path:
    tree = pool_tree(experts.base_url)
    tree["experts"]["judge"] = {**tree["experts"]["sums"], "model": "judge"}
    tree["compositions"] = {"pool/auto": {"router": "fixed"}}
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    experts.says = judge_says(honest)
    return path


def write_task(folder: Path, questions: int = QUESTIONS, expert: str = "judge") -> tuple[str, ...]:
    rows = [{"id": f"{n}", "split": "test", "question": f"Essay {n}"} for n in range(questions)]
    data = folder / "essays.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tree = {"data": data.name, "scorer": {"name": "judge", "expert": expert}}
    (folder / "essays.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return (str(folder / "essays.yaml"),)


@pytest.fixture
def given(options: Options, tmp_path: Path) -> RunOptions:
    return options(tasks=write_task(tmp_path), models=SUBJECTS)


async def made(pool: Path | None, options: RunOptions) -> tuple[RunInfo, list[Row], str, int]:
    """Run it; the run's head and rows, what was printed, and the exit code."""
    console = Console(file=io.StringIO(), width=160)
    with Progress(console) as progress:
        finish = await run(progress, pool, options)
    code = finish(console)
    folder = RunFolder(options.out)
    info = folder.info()
    assert info is not None
    assert isinstance(console.file, io.StringIO)
    return info, folder.rows(), console.file.getvalue(), code


def verdicts(experts: ScriptedExperts) -> int:
    return sum(model == "judge" for model, _ in experts.asked)


async def test_an_expert_grades_every_answer_once(
    pool: Path, given: RunOptions, experts: ScriptedExperts
) -> None:
    info, rows, printed, code = await made(pool, given)
    assert code == 0, printed
    assert [row.score for row in rows if row.subject == "cities"] == [0] * QUESTIONS
    for name in ("sums", "pool/auto"):
        assert [row.score for row in rows if row.subject == name] == [1, 0] * (QUESTIONS // 2)
    # pool/auto says what sums says: that is graded once, after everybody has answered.
    assert verdicts(experts) == 2 * QUESTIONS
    assert {model for model, _ in experts.asked[: 2 * QUESTIONS]} == {"sums", "cities"}
    assert set(experts.times.values()) == {1}
    totals = info.totals
    assert totals is not None
    assert (totals.graded, totals.asked, totals.calls) == (16, 32, 24)
    assert "16 answers to grade" in printed
    # The run pays the judge; no subject does.
    assert all("judge" not in {**row.calls, **row.tokens} for row in rows)
    assert totals.price_usd > sum(row.price_usd for row in rows)
    assert all(one.score is None or one.expert == "sums" for row in rows for one in row.candidates)


async def test_nonsense_is_asked_again_and_then_told_in_the_row(
    pool: Path, given: RunOptions, experts: ScriptedExperts
) -> None:
    experts.says = judge_says(lambda prompt: "Turtles." if "sums says yes" in prompt else "0")
    _, rows, printed, code = await made(pool, given)
    assert code == 1
    bad = [row for row in rows if row.error is not None]
    assert {row.subject for row in bad} == {"sums", "pool/auto"}
    assert len(bad) == QUESTIONS
    for row in bad:
        assert row.error is not None
        assert row.error.startswith(
            f"judge_failed: The judge gave no verdict on the sample {row.sample}"
        )
        assert "Turtles." in row.error
        assert row.answer.startswith("sums says yes")
        assert row.score == 0
    assert verdicts(experts) == 2 * QUESTIONS + QUESTIONS // 2
    assert "judge_failed" in printed
    report = write_report(given.out).report
    assert "8 answers could not be scored: counted as wrong." in report.notices


async def test_a_judge_that_fails_is_asked_again_by_the_same_command(
    pool: Path, given: RunOptions, experts: ScriptedExperts
) -> None:
    experts.refuse = lambda body: 400 if body["model"] == "judge" else None
    _, rows, _, code = await made(pool, given)
    assert code == 1
    assert all("The judge judge failed on the sample" in str(row.error) for row in rows)
    experts.refuse = lambda body: None
    before = len(experts.bodies)
    _, rows, _, code = await made(pool, given)
    assert code == 0
    assert sum(row.score for row in rows) == QUESTIONS
    assert len(experts.bodies) == before + 2 * QUESTIONS


async def test_a_run_that_was_stopped_keeps_its_verdicts(
    pool: Path, options: Options, experts: ScriptedExperts, tmp_path: Path
) -> None:
    in_flight = 2
    given = options(tasks=write_task(tmp_path), models=SUBJECTS, in_flight=in_flight)
    with Progress(Console(file=io.StringIO())) as progress:
        task = asyncio.create_task(run(progress, pool, given))
        await experts.reached(2 * QUESTIONS + QUESTIONS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert 0 < verdicts(experts) < 2 * QUESTIONS
    _, rows, _, code = await made(pool, given)
    assert code == 0
    assert sum(row.score for row in rows) == QUESTIONS
    assert len(experts.bodies) <= 4 * QUESTIONS + in_flight
    assert len(experts.times) == 4 * QUESTIONS
    # And another run grades nothing again.
    info, _, _, _ = await made(
        pool, options(tasks=given.tasks, models=SUBJECTS, out=tmp_path / "b")
    )
    assert info.totals is not None
    assert (info.totals.asked, info.totals.cached) == (0, 4 * QUESTIONS)


async def test_the_judge_must_be_in_the_pool(
    pool: Path, options: Options, experts: ScriptedExperts, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        await made(pool, options(tasks=write_task(tmp_path, expert="nobody")))
    assert error.value.problems == ("essays: scorer.expert: the pool has no expert `nobody`",)
    assert experts.bodies == []


async def test_a_dry_run_counts_the_grades(pool: Path, given: RunOptions) -> None:
    console = Console(file=io.StringIO(), width=160)
    with Progress(console) as progress:
        finish = await run(progress, pool, given, dry=True)
    assert finish(console) == 0
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "at most 24 calls of the subjects and 24 grades: 40 to ask" in printed
    [line] = [line for line in printed.splitlines() if line.startswith("judge")]
    assert line.split()[1] == "24"


async def test_a_model_of_any_server_can_grade(
    pool: Path, options: Options, experts: ScriptedExperts, tmp_path: Path
) -> None:
    url = experts.base_url.removesuffix("/v1")
    told = options(tasks=write_task(tmp_path), url=url, models=("sums",))
    _, rows, _, code = await made(None, told)
    assert code == 0
    assert sum(row.score for row in rows) == QUESTIONS / 2


async def test_labels_correct_a_judge_that_is_too_kind(
    pool: Path, options: Options, experts: ScriptedExperts, tmp_path: Path
) -> None:
    draw = random.Random(21)
    count, labelled = 300, 60
    kind = {n for n in range(count) if draw.random() < 0.5}

    def too_kind(prompt: str) -> str:
        number = int(prompt.split("Essay ")[1].split()[0])
        return f"VERDICT: {int('says yes' in prompt or number in kind)}"

    experts.says = judge_says(too_kind)
    given = options(tasks=write_task(tmp_path, count), models=("sums",))
    _, rows, _, code = await made(pool, given)
    assert code == 0
    file = tmp_path / "labels.jsonl"
    lines = [
        {"subject": "sums", "task": "essays", "sample": row.sample, "score": "yes" in row.answer}
        for row in draw.sample(rows, labelled)
    ]
    lines = [{**line, "score": float(line["score"])} for line in lines]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    report = write_report(given.out, labels=file).report
    [line] = report.overall.lines
    truth = 0.5
    assert line.accuracy.low > truth + 0.1
    assert line.corrected is not None
    assert line.corrected.low <= truth <= line.corrected.high
    assert abs(line.corrected.mean - truth) < 0.1
    assert "corrected %" in (given.out / "report.md").read_text(encoding="utf-8")
