"""Reads a run's folder; whatever is odd about it is told, whatever is wrong names its line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evals.report.lines import Damaged, parse, record, validated
from evals.runs.record import RUN_FILE, SAMPLES_FILE, Row, RunInfo
from experts.errors import ConfigError

Key = tuple[str, str, str, int]
"""Subject, task, sample, draw."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it was found; `notices` are sentences that belong above every number."""

    folder: Path
    info: RunInfo
    rows: tuple[Row, ...]
    notices: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the run has ended; until then rows are missing."""
        return self.info.totals is not None


def read_run(folder: Path) -> Run:
    """Read `run.json` and `samples.jsonl`.

    Raises ConfigError, with the file and the line, for a folder that is no run, for a damaged line
    and for rows of subjects or tasks that the run does not have. Keys that this version does not
    know are left out and told. The last line of a run that has not ended may be cut off.
    """
    unknown: set[str] = set()
    info = _head(folder / RUN_FILE, unknown)
    notices: list[str] = []
    if info.totals is None:
        notices.append("The run is not finished: these are the rows written so far.")
    rows = list(_rows(folder / SAMPLES_FILE, info, unknown, notices))
    if unknown:
        notices.append(f"Keys that this version does not know were ignored: {_listed(unknown)}.")
    if not rows:
        notices.append("The run has no rows.")
    asked = {row.subject for row in rows}
    silent = [one.name for one in info.subjects if one.name not in asked]
    if silent and rows:
        notices.append(f"Subjects without rows: {', '.join(silent)}.")
    notices += _differing(rows)
    return Run(folder, info, tuple(rows), tuple(notices))


def _head(path: Path, unknown: set[str]) -> RunInfo:
    content = _content(path)
    try:
        tree = parse(content)
        if isinstance(tree, dict) and tree.get("format", 1) != 1:
            raise ConfigError(
                f"{path}: the run has format {tree['format']!r:.40}; this version reads format 1.",
                hint="Use the version of Coterie that wrote it.",
            )
        return validated(RunInfo, tree, unknown)
    except Damaged as error:
        raise ConfigError(f"{path}: {error}") from None


def _rows(path: Path, info: RunInfo, unknown: set[str], notices: list[str]) -> Iterator[Row]:
    subjects = {one.name for one in info.subjects}
    tasks = {one.name for one in info.tasks}
    seen: dict[Key, int] = {}
    repeated: list[int] = []
    lines = _content(path).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = record(Row, line, unknown)
            _known("subject", row.subject, subjects)
            _known("task", row.task, tasks)
        except Damaged as error:
            if info.totals is None and number == len(lines):
                notices.append(f"The last line of {path.name} is cut off, and left out.")
                return
            raise ConfigError(
                f"{path}: line {number}: {error}",
                hint="Run the evaluation again: what has been answered is in its cache.",
            ) from None
        key = (row.subject, row.task, row.sample, row.draw)
        if key in seen:
            repeated.append(number)
            continue
        seen[key] = number
        yield row
    if repeated:
        notices.append(
            f"{len(repeated)} rows were there before, and count once; the first is line"
            f" {repeated[0]} of {path.name}."
        )


def _known(what: str, name: str, names: set[str]) -> None:
    if name not in names:
        raise Damaged(f"the {what} {name!r:.80} is not one of {RUN_FILE}.")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}.",
            hint="A run is a folder that `coterie eval run` has written.",
        ) from None


def _differing(rows: list[Row]) -> Iterator[str]:
    """Tasks that not every subject was asked as a whole."""
    asked: dict[str, dict[str, set[tuple[str, int]]]] = {}
    for row in rows:
        of_task = asked.setdefault(row.task, {})
        of_task.setdefault(row.subject, set()).add((row.sample, row.draw))
    subjects = {row.subject for row in rows}
    for task, by_subject in asked.items():
        union = set().union(*by_subject.values())
        short = {s: len(by_subject.get(s, ())) for s in sorted(subjects)}
        lacking = [f"{s} {count}" for s, count in short.items() if count < len(union)]
        if lacking:
            yield (
                f"{task}: not every subject has all {len(union)} answers ({_listed(lacking)});"
                " subjects are compared on the questions that they share."
            )


def _listed(names: set[str] | list[str], most: int = 8) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more
