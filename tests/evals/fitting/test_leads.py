"""The probe of who puts answers together best: its questions, its counts, what is asked anew."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from evals.client.progress import Progress
from evals.fitting.leads import mix, probe_leads
from evals.fitting.probes import Probe, probes_of
from evals.tasks.task import load_tasks
from experts.errors import ConfigError
from routers.outcomes import Outcome, OutcomeTable
from routers.symbolic_moe.leads import Leads

VERSIONS = {"good": "1", "bad": "1"}
Run = Callable[[Leads], Awaitable[tuple[Leads, int]]]


@pytest.fixture(scope="module")
def probes() -> tuple[Probe, ...]:
    return probes_of(tuple(load_tasks(["geography"]).values()))[:8]


@pytest.fixture(scope="module")
def table(probes: tuple[Probe, ...]) -> OutcomeTable:
    return OutcomeTable.from_rows(
        Outcome(p.sample.id, "geography", p.sample.question, expert, "1", float(right), text=text)
        for p in probes
        for expert, text, right in (
            ("good", p.sample.answer, True),
            ("bad", "Atlantis", False),
            ("worse", "Mordor", False),
            ("worst", "Oz", False),
        )
    )


def prompt(question: str, answers: object) -> str:
    return f"{question} {answers}"


@pytest.fixture
def run(gateway: Any, table: OutcomeTable, probes: tuple[Probe, ...]) -> Run:
    """Probes an endpoint at which `good` repeats a right answer and `bad` says nothing right."""
    asked = {prompt(one.probe.sample.question, one.answers): one for one in mix(table, probes)}

    def reply(expert: str, question: str) -> str:
        return asked[question].probe.sample.answer if expert == "good" else "Oz"

    async def start(before: Leads) -> tuple[Leads, int]:
        gateway.asked.clear()
        gateway.reply = reply
        mixed, progress = mix(table, probes), Progress(Console(file=io.StringIO()))
        async with httpx.AsyncClient() as client:
            found, failed = await probe_leads(
                client, gateway.base_url, mixed, prompt, VERSIONS, before, progress
            )
        assert not failed
        return found, len(gateway.asked)

    return start


def test_one_right_and_two_wrong(table: OutcomeTable, probes: tuple[Probe, ...]) -> None:
    mixed = mix(table, probes)
    assert len(mixed) == len(probes)
    for one in mixed:
        assert len(one.answers) == 3
        assert one.probe.sample.answer in one.answers
        assert len(set(one.answers)) == 3
    assert {one.answers.index(one.probe.sample.answer) for one in mixed} != {0}


def test_a_question_needs_both_kinds(table: OutcomeTable, probes: tuple[Probe, ...]) -> None:
    rows = [row for row in table.rows.to_pylist() if row["expert"] == "good"]
    assert mix(OutcomeTable.from_rows(Outcome(**row) for row in rows), probes) == []


async def test_who_repeats_the_right_answer_leads(
    run: Run, probes: tuple[Probe, ...], tmp_path: Path
) -> None:
    found, calls = await run(Leads())
    assert calls == 2 * len(probes)
    assert found.tasks["geography"] == {"good": (8, 8), "bad": (0, 8)}
    path = tmp_path / "leads.json"
    found.write(path)
    read = Leads.read(path)
    assert read.best("geography", VERSIONS) == "good"
    assert read.best("never seen", VERSIONS) == "good"
    assert read.best("geography", ["bad", "new"]) == "bad"
    assert read.best("geography", ["new"]) is None
    _, again = await run(read)
    assert again == 0


async def test_another_version_is_asked_anew(run: Run, probes: tuple[Probe, ...]) -> None:
    before, _ = await run(Leads())
    stale = Leads({**before.versions, "good": "0"}, before.prompt, before.tasks)
    found, calls = await run(stale)
    assert calls == len(probes)
    assert found.tasks["geography"]["good"] == (8, 8)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "leads.json"
    with pytest.raises(ConfigError, match="no expert has been probed"):
        Leads.read(path)
    path.write_text('{"tasks": 3}')
    with pytest.raises(ConfigError, match="is not a file of leads"):
        Leads.read(path)
