"""Every line of a JSONL file is read as it was written, and every wrong one is named."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from experts.files.jsonl import MOST_PROBLEMS, LineProblem, read_jsonl, read_text

VALUES = st.dictionaries(st.text(), st.text(st.characters(exclude_categories=("Cs",))), max_size=3)
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def same(value: Any) -> Any:
    return value


@SAME_FOLDER
@given(
    rows=st.lists(VALUES.filter(str), max_size=4),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \r\n"]),
    mark=st.booleans(),
    packed=st.booleans(),
    copies=st.integers(1, 2),
)
def test_what_is_written_is_read(
    tmp_path: Path, rows: list[Any], end: str, mark: bool, packed: bool, copies: int
) -> None:
    """Raw U+2028, U+0085 and the like in texts, any line ends, marks, and files put together."""
    data = "".join(json.dumps(row, ensure_ascii=False) + end for row in rows).encode()
    data = (b"\xef\xbb\xbf" * mark + data) * copies
    file = tmp_path / ("rows.jsonl" + ".gz" * packed)
    file.write_bytes(gzip.compress(data) if packed else data)
    assert list(read_jsonl(file, same).values()) == rows * copies


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('\n{"a": "x\u2028y"}\r\n\n{"a": 2}')
    assert read_jsonl(file, same) == {2: {"a": "x\u2028y"}, 4: {"a": 2}}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "NaN",
        '{"a": Infinity}',
        "[" * 100_000,
        "1" * 5_000,
        "{}{}",
        "\0\0",
        '{"a": "\0"}',
        "\u2028",
    ],
)
def test_what_is_no_json_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n" + line)
    with pytest.raises(ConfigError) as caught:
        read_jsonl(file, same)
    assert str(file) in str(caught.value)
    assert caught.value.problems[0].startswith("line 2: not JSON")


def test_null_characters_are_told(tmp_path: Path) -> None:
    """What a crash of the machine leaves at the end of a file, and UTF-16 without its mark."""
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"{}\n" + bytes(100))
    with pytest.raises(ConfigError) as caught:
        read_jsonl(file, same)
    assert caught.value.problems[0].startswith("line 2: not JSON (null characters")


def test_many_lines_are_read_in_seconds(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"custom_id": "a", "body": {"prompt": "x"}}\n' * 100_000)
    began = time.process_time()
    assert len(read_jsonl(file, same)) == 100_000
    assert time.process_time() - began < 5


def test_the_first_problems_are_named_and_the_others_counted(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("1\n" * (MOST_PROBLEMS + 5))

    def parse(value: Any) -> Any:
        raise LineProblem("is wrong")

    with pytest.raises(ConfigError) as caught:
        read_jsonl(file, parse)
    assert len(caught.value.problems) == MOST_PROBLEMS + 1
    assert caught.value.problems[-1] == "and 5 more"


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.jsonl", b"\xff\xfe{\x00"), ("a.jsonl.gz", b"no gzip"), ("a.jsonl.gz", b"\x1f\x8b\x08")],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=f"{name} cannot be read"):
        read_text(tmp_path / name)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_text(tmp_path)
