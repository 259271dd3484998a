"""The same rows, whatever the file's format; what is no table is named."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from evals.tasks.tables import is_table, read_rows
from experts.errors import ConfigError

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
ROWS = st.lists(st.fixed_dictionaries({"question": TEXTS, "answer": TEXTS}), min_size=1, max_size=4)
Rows = list[dict[str, str]]


def written(folder: Path, ending: str, rows: Rows) -> Path:
    """A file of the rows in the format of its ending."""
    file = folder / f"rows{ending}"
    kind = ending.removesuffix(".gz")
    out = io.BytesIO()
    if kind == ".jsonl":
        out.write("\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode())
    elif kind == ".json":
        out.write(json.dumps({"canary": "none", "examples": rows}).encode())
    elif kind == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), out)
    else:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(
            text, ["question", "answer"], delimiter="\t" if "t" in kind else ","
        )
        writer.writeheader()
        writer.writerows(rows)
        out.write(text.getvalue().encode())
    data = out.getvalue()
    file.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    return file


@pytest.mark.parametrize(
    "ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.gz", ".parquet.gz"]
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(rows=ROWS)
def test_every_format_holds_the_same(tmp_path: Path, ending: str, rows: Rows) -> None:
    file = written(tmp_path, ending, rows)
    assert is_table(file.name)
    assert [dict(row.columns) for row in read_rows(file)] == rows


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", "", "has no rows"),
        ("a.jsonl", "\n\r\n", "has no rows"),
        ("a.csv", "", "has no rows"),
        ("a.csv", "question,answer\n", "has no rows"),
        ("a.json", "", "has no rows"),
        ("a.json", "[]", "has no rows"),
        ("a.json", "{", "not JSON"),
        ("a.json", "3", "must be a list"),
        ("a.json", '{"a": [], "b": []}', "one such list"),
        ("a.json", "[1]", "row 1: must be an object"),
        ("a.jsonl", '{"q": 1}\n[2]', "line 2: must be an object"),
        ("a.csv", "q,a\n1,2,3\n", "line 2: 3 cells, but the header has 2"),
        ("a.csv", "q,q\n1,2\n", "several columns called q"),
        ("a.csv", 'q,a\n"1,2\n', "not CSV"),
        ("a.parquet", "no parquet", "cannot be read"),
        ("a.txt", "x", "what is in it"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_rows(file)
    assert str(file) in str(caught.value)
    assert said in " ".join((str(caught.value), *caught.value.problems))


def test_a_file_of_a_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b'\xef\xbb\xbfQuestion,Answer\r\n"two\r\nlines",4\r\n\r\n')
    (row,) = read_rows(file)
    assert row == ("line 3", {"Question": "two\r\nlines", "Answer": "4"})
