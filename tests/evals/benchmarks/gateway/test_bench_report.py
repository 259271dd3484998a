"""The benchmark's ratios and verdicts on canned measurements."""

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from evals.benchmarks.gateway.bench import Bench, Pairing, Sample, summarize
from evals.benchmarks.gateway.bench_report import print_bench, verdicts, write_json


def _sample(tokens_per_s: float) -> Sample:
    return Sample(tokens_per_s, tokens_per_s / 64, 5.0, 9.0)


PAIRING = Pairing(
    True,
    32,
    endpoint=(_sample(1000), _sample(2000), _sample(1000)),
    gateway=(_sample(950), _sample(1900), _sample(100)),
)
GOOD = Bench("alpha", 3, (PAIRING,), 3.0, 9.0, (2.5,), 9, 9)


def test_the_ratio_is_the_median_over_rounds() -> None:
    assert PAIRING.ratio == 0.95


def test_targets_met() -> None:
    console = Console(file=io.StringIO(), width=120)

    assert print_bench(console, GOOD) == 0
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "streaming, 32 in flight" in text
    assert "95.0 % of the endpoint's throughput" in text
    assert "MISS" not in text
    assert text.isascii()


def test_each_missed_target_is_named() -> None:
    slow = replace(PAIRING, gateway=(_sample(800),) * 3)
    bad = Bench("alpha", 3, (slow,), 6.0, 16.0, (2.5, 4.1), 8, 9)

    assert [verdict.met for verdict in verdicts(bad)] == [False] * 4
    assert print_bench(Console(file=io.StringIO()), bad) == 1


def test_memory_counts_only_with_every_expert_resident() -> None:
    assert not verdicts(replace(GOOD, residents=8))[-1].met


def test_without_a_knn_composition_there_is_no_verdict_on_it() -> None:
    assert len(verdicts(replace(GOOD, route_ms=None))) == len(verdicts(GOOD)) - 1


def test_json_has_everything(tmp_path: Path) -> None:
    write_json(tmp_path / "bench.json", GOOD)
    tree = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))

    assert tree["ratios"] == {"streaming, 32 in flight": 0.95}
    assert tree["pairings"][0]["gateway"][0]["tokens_per_s"] == 950
    assert all(verdict["met"] for verdict in tree["verdicts"])


def test_rates_of_a_job() -> None:
    exchanges = [{"tokens": 64, "first_s": 0.001 * n} for n in range(1, 5)]
    sample = summarize({"seconds": 2.0, "exchanges": exchanges})

    assert sample.tokens_per_s == 128
    assert sample.requests_per_s == 2
    assert sample.first_ms_median == 2.5
