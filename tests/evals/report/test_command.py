"""What the two commands print and write."""

import io
import json
from pathlib import Path

from made_runs import Setting, make_run
from rich.console import Console

from evals.client.progress import Progress
from evals.report import command
from evals.reporting.table import Finish


def _printed(finish: Finish) -> str:
    console = Console(file=io.StringIO(), width=200)
    assert finish(console) == 0
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_report_prints_the_table_and_where_the_files_are(
    tmp_path: Path, progress: Progress
) -> None:
    run = make_run(tmp_path / "run", Setting(text="[bold]{}"))
    text = _printed(command.report(progress, run, 10))
    assert [line.split()[0] for line in text.splitlines()[1:8] if line] == [
        "subject", "----------", "pool/auto", "pool/council", "alpha", "beta", "gamma",
    ] or text.startswith("\nsubject")  # fmt: skip
    assert "the best single expert on these questions" in text
    assert text.count("written: ") == 3
    assert "10 answers of 150, failures first" in (run / "report.html").read_text()


def test_a_comparison_is_markdown_and_its_files_hold_all(
    tmp_path: Path, progress: Progress
) -> None:
    before = make_run(tmp_path / "before", Setting(questions=60))
    after = make_run(tmp_path / "after", Setting(questions=60, luck=1))
    html, numbers = tmp_path / "c.html", tmp_path / "c.json"
    text = _printed(command.compare(progress, before, after, html, numbers))

    assert text.startswith("# before (A) and after (B)\n")
    assert "## What flipped" in text
    assert text.count("\n### ") == 10
    tree = json.loads(numbers.read_text())
    assert len(tree["flips"]) == sum(one["lost"] + one["won"] for one in tree["overall"])
    assert html.read_text().count('<details class="card"') == len(tree["flips"])
    assert f"written: {html}" in text


def test_without_files_nothing_is_written(tmp_path: Path, progress: Progress) -> None:
    run = make_run(tmp_path / "run")
    text = _printed(command.compare(progress, run, run, None, None))
    assert "written" not in text
    assert "What flipped" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
