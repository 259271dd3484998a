"""What `coterie eval run`, `report` and `compare` do when the answers are there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from evals.client.progress import Progress
from evals.report import words
from evals.report.chapters.results import result_table
from evals.report.compare import comparing
from evals.report.compare.document import document
from evals.report.markdown import markdown
from evals.report.page.page import page
from evals.report.reading import read_run
from evals.report.report import Report
from evals.report.tree import written
from evals.report.writing import write, write_report
from evals.reporting.table import Finish, print_table, say
from evals.runs import run as runs


async def run(
    progress: Progress, config: Path | None, told: Mapping[str, Any], dry: bool
) -> Finish:
    """Run what the command line told, and write the report. Raises ConfigError, ServiceError."""
    finish = await runs.command(progress, config, told, dry)
    if dry:
        return finish
    progress.doing("writing the report")
    # A run may have a hundred thousand rows, but nothing else runs here any more.
    found = write_report(told["out"])

    def finish_both(console: Console) -> int:
        code = finish(console)
        print_warnings(console, found.report)
        say(console, f"report: {', '.join(str(path) for path in found.files)}")
        return code

    return finish_both


def report(progress: Progress, folder: Path, samples: int, labels: Path | None = None) -> Finish:
    """Write a run's report, and print its short table. Raises ConfigError, CoterieError."""
    progress.doing("counting")
    found = write_report(folder, samples=samples, labels=labels)

    def finish(console: Console) -> int:
        print_short(console, found.report)
        for path in found.files:
            say(console, f"written: {path}")
        return 0

    return finish


def print_short(console: Console, report: Report) -> None:
    """The notices, one line for each subject, and the warnings."""
    for notice in report.notices:
        say(console, f"note: {words.name(notice, 600)}")
    if report.overall.lines:
        table = result_table(report.overall)
        say(console)
        print_table(console, table.columns, table.rows)
        say(console)
        say(console, table.note)
    print_warnings(console, report)


def print_warnings(console: Console, report: Report) -> None:
    """What the routing audit warns of."""
    for one in report.audits:
        for warning in one.warnings:
            say(console, f"warning: {words.name(one.subject)}: {words.name(warning, 200)}.")


def compare(
    progress: Progress, before: Path, after: Path, html: Path | None, json_out: Path | None
) -> Finish:
    """Compare two runs: Markdown on the terminal, and files where they are asked for."""
    progress.doing("counting")
    found = comparing.compare(read_run(before), read_run(after))
    whole = document(found, before.resolve().name, after.resolve().name)
    if html is not None:
        write(html, page(whole))
    if json_out is not None:
        write(json_out, written(found))

    def finish(console: Console) -> int:
        say(console, markdown(whole))
        for path in (html, json_out):
            if path is not None:
                say(console, f"written: {path}")
        return 0

    return finish
