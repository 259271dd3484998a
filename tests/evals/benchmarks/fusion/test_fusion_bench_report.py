"""The benchmark of fusing: its ratios, and what counts as met."""

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from evals.benchmarks.fusion.fusion_bench import FusionBench, Reference, Times
from evals.benchmarks.fusion.fusion_bench_report import print_bench, verdicts, write_json

PARTS = ("a", "b")


def _times(in_flight: int, whole: float, contrast: float, thoughts: float = 2.2) -> Times:
    models = {"a": 1.0, "b": 2.0, "route": whole, "plain": 1.0, "contrast": contrast}
    models |= {"thoughts": thoughts, "thoughts-past": thoughts, "together": 1.9}
    return Times(in_flight, {name: (time,) * 3 for name, time in models.items()})


GOOD = FusionBench(3, PARTS, (_times(1, 3.0, 1.2), _times(64, 0.5, 2.0)), Reference(64, 4, 8.0))


def test_ratios_are_medians_of_the_rounds() -> None:
    times = Times(1, {"whole": (2.0, 4.0, 40.0), "a": (1.0, 3.0, 1.0), "b": (1.0, 3.0, 1.0)})

    # 2 / 2, 6 / 4, 2 / 40
    assert times.parts_to_whole("whole", ("a", "b")) == 1.0
    assert times.median("whole") == 4.0


def test_all_targets_met() -> None:
    console = Console(file=io.StringIO(), width=120)

    assert print_bench(console, GOOD) == 0
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "composite, 1 in flight: 1.00 of the throughput of 1 / (sum" in text
    assert "62.5 times the tokens/s of the torch reference loop" in text
    assert "self-contrast, 64 in flight: 2.00 of plain greedy's time per token" in text
    assert "thoughts (sequence), 64 in flight: 1.10 of the sum of its 1 members'" in text
    assert "thoughts (positionwise), 1 in flight: interactions take 14 % of a step" in text
    assert "MISS" not in text
    assert text.isascii()


def test_each_missed_target_is_named() -> None:
    slow = replace(
        GOOD,
        times=(_times(1, 3.4, 1.4, 2.6), _times(64, 3.4, 2.2, 2.6)),
        reference=Reference(64, 4, 0.5),
    )

    assert [verdict.met for verdict in verdicts(slow)] == [False] * 13
    assert print_bench(Console(file=io.StringIO()), slow) == 1


def test_json_has_everything(tmp_path: Path) -> None:
    write_json(tmp_path / "bench.json", GOOD)
    tree = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))

    assert tree["times"][1]["models"]["route"] == [0.5] * 3
    assert tree["reference"]["tokens"] == 4
    assert len(tree["verdicts"]) == 13
