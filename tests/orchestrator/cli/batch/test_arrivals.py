"""Answers that are appended as they come: each once, after any kill."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.batch.arrivals import Arrivals


def line(number: int) -> bytes:
    return json.dumps({"custom_id": f"q{number}", "text": "\u2028\r"}).encode() + b"\n"


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 600), st.lists(st.integers(0, 9)))
def test_a_killed_run_goes_on_and_no_line_is_there_twice(
    first: list[int], cut: int, second: list[int]
) -> None:
    with TemporaryDirectory() as made:
        path = Path(made) / "out.jsonl"
        arrivals = Arrivals(path)
        for number in first:
            arrivals.take(line(number))
        path.write_bytes(path.read_bytes()[: min(cut, path.stat().st_size)])
        whole = [n for n in dict.fromkeys(first) if line(n) in path.read_bytes()]
        rest = Path(made) / "rest.jsonl"
        rest.write_bytes(b"".join(map(line, second)))
        Arrivals(path).take_file(rest)
        expected = b"".join(map(line, dict.fromkeys([*whole, *second])))
        assert path.read_bytes() == expected
        assert not rest.exists()
