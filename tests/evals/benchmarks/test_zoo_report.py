"""The zoo's rules on canned matrices, and the way from questions to a matrix."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.benchmarks import zoo_report
from evals.benchmarks.zoo_report import Report, print_report, run_report
from evals.client.progress import Progress
from evals.tasks.task import Task

GOOD = {
    "strings": {"strings": 0.97, "roman": 0.1, "two_skill": 0.4},
    "duo": {"strings": 0.0, "roman": 0.95, "two_skill": 0.0},
    "generalist": {"strings": 0.3, "roman": 0.4, "two_skill": 0.1},
}


def _print(accuracy: dict[str, dict[str, float]]) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=120)
    report = Report(
        accuracy,
        dict.fromkeys(accuracy, 1.25),
        {"strings": 200, "roman": 200, "two_skill": 120},
        {"strings": "strings", "roman": "duo", "two_skill": None},
    )
    code = print_report(console, report)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_a_good_zoo() -> None:
    code, text = _print(GOOD)

    assert code == 0
    assert "97*" in text
    assert "1.2" in text
    assert "0!" not in text
    assert "Every expert keeps the rules" in text


def test_each_broken_rule_is_named() -> None:
    bad = {name: dict(row) for name, row in GOOD.items()}
    bad["strings"]["strings"] = 0.94
    bad["duo"]["two_skill"] = 0.5
    bad["generalist"]["roman"] = 0.41
    code, text = _print(bad)

    assert code == 1
    assert "strings has 94 % on its own strings" in text
    assert "duo has 50 % on two_skill, not its own" in text
    assert "generalist has 41 % on roman, not its own" in text
    assert "94!" in text


async def test_every_expert_gets_every_question(
    gateway: Any, make_task: Callable[..., Task], tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"0" * 500_000)
    gateway.reply = lambda expert, question: "strings 0" if expert == "strings" else "?"
    tasks = [make_task("strings"), make_task("foreign")]
    report = await run_report(
        gateway.base_url,
        {"strings": tmp_path, "broken": None},
        tasks,
        Progress(Console(file=io.StringIO())),
    )

    assert report.accuracy == {
        "strings": {"strings": 0.25, "foreign": 0.0},
        "broken": {"strings": 0.0, "foreign": 0.0},
    }
    assert report.sizes_mb == {"strings": 0.5, "broken": None}
    assert report.questions == {"strings": 4, "foreign": 4}
    assert len(report.failures) == 8
    assert [model for model, _ in gateway.asked] == ["strings"] * 8 + ["broken"] * 8


async def test_no_outcome_table_is_needed(
    started: Any, config: Any, progress: Any, make_task: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(zoo_report, "load_tasks", lambda: {"alpha": make_task("alpha")})
    await zoo_report.report(progress, config())

    assert [one.config.routers for one in started] == [{}]
