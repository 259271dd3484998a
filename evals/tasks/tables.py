"""Files of rows: JSONL, JSON, CSV, TSV and parquet, also packed with gzip."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyarrow import ArrowException, parquet

from experts.errors import ConfigError
from experts.files.jsonl import GZIP, LineProblem, parse_json, read_jsonl, read_text, wrong_lines

MOST_CELL = 10_000_000
"""Characters of one cell of a CSV file."""


class Row(NamedTuple):
    """The columns of one row, and where it stands, such as `line 3`."""

    where: str
    columns: Mapping[str, Any]


def is_table(name: str) -> bool:
    """Whether a file of this name is one that can be read."""
    return _kind(Path(name)) in _READERS


def read_rows(path: Path) -> list[Row]:
    """The rows of a file. Raises ConfigError, also where there are none."""
    reader = _READERS.get(_kind(path))
    if reader is None:
        known = ", ".join(_READERS)
        raise ConfigError(f"{path}: what is in it? Known endings: {known}, also with {GZIP}.")
    rows = reader(path)
    if not rows:
        raise ConfigError(f"{path} has no rows.")
    return rows


def _kind(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == GZIP else path).suffix.lower()


def _jsonl(path: Path) -> list[Row]:
    rows = read_jsonl(path, _mapping)
    return [Row(f"line {number}", columns) for number, columns in rows.items()]


def _json(path: Path) -> list[Row]:
    """A list of objects, or an object of which one key holds such a list."""
    text = read_text(path)
    if not text.strip():
        return []
    try:
        tree = parse_json(text)
        if isinstance(tree, dict):
            lists = [value for value in tree.values() if isinstance(value, list)]
            if len(lists) != 1:
                raise LineProblem("must be a list of objects, or an object with one such list")
            (tree,) = lists
        if not isinstance(tree, list):
            raise LineProblem("must be a list of objects, or an object with one such list")
    except LineProblem as problem:
        raise ConfigError(f"{path}: {problem.sentences[0]}.") from problem
    rows, problems = [], []
    for number, value in enumerate(tree, start=1):
        try:
            rows.append(Row(f"row {number}", _mapping(value)))
        except LineProblem as problem:
            problems.append(f"row {number}: {problem.sentences[0]}")
    if problems:
        raise wrong_lines(path, problems)
    return rows


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LineProblem("must be an object with the columns as its keys")
    return value


def _csv(path: Path) -> list[Row]:
    return _separated(path, ",")


def _tsv(path: Path) -> list[Row]:
    return _separated(path, "\t")


def _separated(path: Path, separator: str) -> list[Row]:
    before = csv.field_size_limit(MOST_CELL)
    # A carriage return before a line feed is the file's, one inside a cell is the cell's.
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=separator, strict=True)
    try:
        header = next((cells for cells in reader if cells), [])
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise ConfigError(f"{path} has several columns called {', '.join(twice)}.")
        return list(_cells(path, reader, header))
    except csv.Error as error:
        raise wrong_lines(path, [f"line {reader.line_num}: not CSV ({error})"]) from error
    finally:
        csv.field_size_limit(before)


def _cells(path: Path, reader: Any, header: list[str]) -> Iterator[Row]:
    problems = []
    for cells in reader:
        where = f"line {reader.line_num}"
        if not cells:
            continue
        if len(cells) != len(header):
            problems.append(f"{where}: {len(cells)} cells, but the header has {len(header)}")
        else:
            yield Row(where, dict(zip(header, cells, strict=True)))
    if problems:
        raise wrong_lines(path, problems)


def _parquet(path: Path) -> list[Row]:
    try:
        data = path.read_bytes()
        table = parquet.read_table(
            io.BytesIO(gzip.decompress(data) if path.suffix == GZIP else data)
        )
    except (OSError, EOFError, ValueError, ArrowException) as error:
        raise ConfigError(f"{path} cannot be read ({error}).") from error
    return [Row(f"row {i}", columns) for i, columns in enumerate(table.to_pylist(), start=1)]


_READERS = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
}
