"""What many streams come to, on canned measurements."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evals.benchmarks.gateways.streams import (
    Flow,
    Soak,
    print_soak,
    summarize,
    verdicts,
    write_json,
)

BARE = Flow(60.0, 2000, 0, None, (100.0, 105.0, 110.0), 120.0, 6.0)
OURS = Flow(300.0, 10_000, 0, None, (100.0, 120.0, 180.0), 240.0, 120.0)
GOOD = Soak(1000, 100.0, BARE, OURS, (90.0, 120.0, 130.0, 131.0, 132.0, 131.0, 133.0, 133.0))


def test_targets_met() -> None:
    console = Console(file=io.StringIO(), width=120)
    assert print_soak(console, GOOD) == 0
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert text.isascii()
    assert "99 of 100 gaps are below 120.0 ms, 105.0 without a gateway" in text
    assert "133 MB at most, +2.5 MB from the second quarter" in text
    assert text.count("ok  ") == 3


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(GOOD, gateway=replace(OURS, failed=2, first_error="cut")), "2 did not: cut"),
        (replace(GOOD, gateway=replace(OURS, gap_ms=(100.0, 211.0, 300.0))), "below 211.0 ms"),
        (replace(GOOD, memory_mb=(90.0, 100.0, 110.0, 120.0)), "+20.0 MB from"),
    ],
)
def test_each_missed_target_is_named(found: Soak, words: str) -> None:
    missed = [verdict.text for verdict in verdicts(found) if not verdict.met]
    assert len(missed) == 1
    assert words in missed[0]
    assert print_soak(Console(file=io.StringIO()), found) == 1


def test_percentiles_of_gaps_that_were_counted() -> None:
    exchanges = [{"error": None}, {"error": "cut"}]
    gaps = {"1000": 980, "1500": 15, "9000": 5}  # As JSON has them.
    flow = summarize({"seconds": 2.0, "exchanges": exchanges, "gaps": gaps}, 0.5)
    assert (flow.answered, flow.failed, flow.first_error, flow.cpu_s) == (1, 1, "cut", 0.5)
    assert flow.gap_ms == (100.05, 150.05, 900.05)
    assert flow.longest_ms == 900.05


def test_without_gaps_there_are_no_figures() -> None:
    flow = summarize({"seconds": 2.0, "exchanges": [], "gaps": {}}, 0.5)
    assert flow.longest_ms < 1


def test_json_has_everything(tmp_path: Path) -> None:
    write_json(tmp_path / "found.json", GOOD)
    tree = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert tree["gateway"]["gap_ms"] == [100.0, 120.0, 180.0]
    assert [verdict["met"] for verdict in tree["verdicts"]] == [True] * 3
