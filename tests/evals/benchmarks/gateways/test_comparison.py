"""The comparison's figures and verdicts on canned measurements."""

import io
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evals.benchmarks.gateways.comparison import Comparison, Load, Sample, summarize
from evals.benchmarks.gateways.comparison_report import print_comparison, verdicts, write_json
from evals.benchmarks.gateways.kinds import (
    BARE,
    LITELLM,
    OURS,
    SMG,
    TWO_OF_OURS,
    VLLM_ROUTER,
)


def _sample(requests_per_s: float, ms: float, cpu_ms: float = 0.5) -> Sample:
    times = (ms, 2 * ms, 3 * ms)
    return Sample(requests_per_s, cpu_ms, times, times, 0)


IDLE, BUSY, CROWDED = Load(False, 1), Load(False, 32), Load(True, 256)
FAST: Mapping[str, Sample] = {
    BARE: _sample(10_000, 0.1),
    OURS: _sample(2000, 0.6),
    TWO_OF_OURS: _sample(3300, 0.6),
    SMG: _sample(2500, 0.7, 0.25),
    VLLM_ROUTER: _sample(4000, 0.8),
    LITELLM: _sample(50, 13.0),
}
GOOD = Comparison(
    {load: {name: (one,) * 3 for name, one in FAST.items()} for load in (IDLE, BUSY, CROWDED)},
    {OURS: 110.0, SMG: 60.0},
)


def _with(load: Load, name: str, sample: Sample) -> Comparison:
    return replace(
        GOOD, samples={**GOOD.samples, load: {**GOOD.samples[load], name: (sample,) * 3}}
    )


def test_targets_met() -> None:
    console = Console(file=io.StringIO(), width=200)
    assert print_comparison(console, GOOD) == 0
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert text.isascii()
    assert "MISS" not in text
    assert "whole answers, 1 in flight: 0.50 ms added" in text
    assert "0.80 times the requests/s of smg" in text
    assert "per second of processor time 0.50 times" in text
    assert "40.00 times the requests/s of litellm" in text
    assert "1.65 times the requests/s with two workers" in text
    assert "99 of 100 end within 2 ms, through smg within 2 ms" in text
    assert "memory of smg: 60 MB" in text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (_with(IDLE, OURS, _sample(700, 1.2)), "1.10 ms added"),
        (_with(BUSY, OURS, _sample(1800, 1.0)), "0.72 times the requests/s of smg"),
        (_with(BUSY, TWO_OF_OURS, _sample(3100, 0.6)), "1.55 times the requests/s with two"),
        (_with(BUSY, LITELLM, _sample(101, 9.0)), "19.80 times the requests/s of litellm"),
        (_with(CROWDED, VLLM_ROUTER, _sample(101, 0.5)), "through vllm-router within 2 ms"),
        (replace(GOOD, memory_mb={OURS: 201.0}), "memory of the gateway: 201 MB"),
    ],
)
def test_each_missed_target_is_named(found: Comparison, words: str) -> None:
    missed = [verdict.text for verdict in verdicts(found) if not verdict.met]
    assert len(missed) == 1
    assert words in missed[0]
    assert print_comparison(Console(file=io.StringIO()), found) == 1


def test_what_was_not_measured_has_no_verdict() -> None:
    samples = {IDLE: {BARE: (FAST[BARE],), OURS: (FAST[OURS],)}}
    found = Comparison(samples, {OURS: 1.0})
    assert [verdict.met for verdict in verdicts(found)] == [True, True]


def test_a_round_is_compared_with_itself() -> None:
    slow_machine = [_sample(1000, 0.2), _sample(500, 0.4), _sample(1000, 0.2)]
    ours = [_sample(800, 0.7), _sample(400, 0.9), _sample(100, 5.0)]
    found = Comparison({IDLE: {BARE: slow_machine, OURS: ours}}, {OURS: 1.0})
    assert found.added_ms(IDLE, OURS, 50) == pytest.approx(0.5)


def test_rates_of_a_job() -> None:
    exchanges = [{"first_s": 0.001 * n, "total_s": 0.002 * n, "error": None} for n in range(1, 4)]
    broken = {"first_s": 9.0, "total_s": 9.0, "error": "503"}
    sample = summarize({"seconds": 1.5, "exchanges": [*exchanges, broken]}, 0.003)
    assert (sample.requests_per_s, sample.failed) == (2.0, 1)
    assert sample.cpu_ms == pytest.approx(1.0)
    assert (sample.first_ms[0], sample.total_ms[0]) == (pytest.approx(2.0), pytest.approx(4.0))
    nothing = summarize({"seconds": 1.5, "exchanges": [broken]}, 0.003)
    assert (nothing.requests_per_s, nothing.failed) == (0.0, 1)
    assert math.isnan(nothing.first_ms[0])


def test_json_has_every_round(tmp_path: Path) -> None:
    write_json(tmp_path / "found.json", GOOD)
    tree = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert len(tree["samples"]) == 18
    first = tree["samples"][0]
    assert (first["stream"], first["in_flight"], first["through"]) == (False, 1, BARE)
    assert [one["requests_per_s"] for one in first["rounds"]] == [10_000] * 3
    assert all(verdict["met"] for verdict in tree["verdicts"])
