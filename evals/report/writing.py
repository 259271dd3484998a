"""Writes the report of a run into its folder."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from evals.report.cards import MOST_CARDS, cards
from evals.report.chapters.document import document
from evals.report.labels import corrections, read_labels
from evals.report.markdown import markdown
from evals.report.page.page import page
from evals.report.reading import read_run
from evals.report.report import Report, make_report
from evals.report.tree import written
from evals.reporting.numbers import counted
from experts.errors import CoterieError

MARKDOWN, JSON, HTML = "report.md", "report.json", "report.html"


@dataclass(frozen=True, slots=True)
class Written:
    """A report, and the files that have it."""

    report: Report
    files: tuple[Path, ...]


def write_report(folder: Path, *, labels: Path | None = None, samples: int = MOST_CARDS) -> Written:
    """Write `report.md`, `report.json` and `report.html` beside the run's own files.

    `labels` is a file of people's labels, which correct accuracies for the bias of a judge;
    `samples` is how many answers the page shows at most. Raises ConfigError for a folder that is no
    readable run and for labels that are wrong, CoterieError where the files cannot be written.
    """
    run = read_run(folder)
    if labels is None:
        report = make_report(run)
    else:
        corrected, notices = corrections(run, read_labels(labels, run))
        report = make_report(replace(run, notices=(*run.notices, *notices)), corrected)
    shown = cards(run, samples)
    note = (
        f"{counted(len(shown), 'answer')} of {len(run.rows):,}, failures first; all are in"
        " samples.jsonl."
    )
    whole = document(report, shown, note)
    texts = {
        MARKDOWN: markdown(whole, most_cards=0),
        JSON: written(report),
        HTML: page(whole),
    }
    for name, text in texts.items():
        write(folder / name, text)
    return Written(report, tuple(folder / name for name in texts))


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all. Raises CoterieError where that fails."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CoterieError(f"{path}: cannot be written: {error.strerror}.") from None
