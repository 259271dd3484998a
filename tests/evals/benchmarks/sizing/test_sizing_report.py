"""What is said of a sizing: sentences, columns, and JSON without infinities."""

import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from evals.benchmarks.sizing.pool import Engine, Pool
from evals.benchmarks.sizing.search import (
    BURST,
    COMPUTE,
    MEMORY,
    SHARED,
    Answer,
    Measured,
    Row,
    Waits,
    Wish,
)
from evals.benchmarks.sizing.sizing_report import Sizing, as_json, conclusion, print_sizing
from evals.benchmarks.sizing.traffic import Call, Traffic
from experts.footprint.device import Device, on_gpus
from orchestrator.residency.machine.policy import Rules

TRAFFIC = Traffic("made", 2, (Call(0.0, "a", "interactive"), Call(4.0, "b", "batch")))


def pool(device: Device, *sizes_gb: float) -> Pool:
    engines = tuple(
        Engine(name, {name: 8}, {name: 9.0}, gb, gb, 90.0, 0.5, 0.1, 6.0)
        for name, gb in zip("abcdef", sizes_gb, strict=False)
    )
    bounds = {"interactive": 10.0, "batch": math.inf}
    return Pool(engines, 72.0, device, Rules(), bounds, sleep_level=1, asleep_gb=1.15, host_gb=32.0)


def row(slots: int, p95: float, *, enough: bool, loads: int = 0, cold: int = 0) -> Row:
    waits = {"interactive": Waits(0.0, p95, 2 * p95)}
    return Row(slots, 0.4, waits, 9.0, 1.5, loads, cold, 2.5, 0.1, 0, enough)


SHORT = row(1, 30.0, enough=False, loads=20, cold=10)
FINE = row(2, 0.75, enough=True)
FOUND = Sizing(
    pool(on_gpus(2), 60.0, 60.0),
    TRAFFIC,
    Wish({"interactive": 2.0}),
    Answer((SHORT, FINE), 2, MEMORY),
    ("Something is assumed.",),
)


def test_gpus_are_counted_and_not_slots() -> None:
    said = conclusion(FOUND)
    assert said.startswith(
        "4 GPUs are enough: 95 % of the calls of class interactive begin within 0.75 s, with 2.5"
        " loads a minute. With 2 GPUs, memory is what limits"
    )
    assert "With 2 GPUs, 10 of 20 loads are cold, up to 90 s each" in said
    assert as_json(FOUND)["gpus"] == 4


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (COMPUTE, "There, compute is what limits: more is asked for"),
        (SHARED, "There, compute is what limits: all begin in time"),
        (BURST, "There, bursts are what limits"),
        (BURST, "though only 40 % of the compute is asked for"),
        (f"memory and {BURST}", "There, memory limits, since"),
        (f"memory and {COMPUTE}", "without any loads, compute is what limits"),
    ],
)
def test_what_limits_is_said(limit: str, words: str) -> None:
    one = replace(FOUND, answer=Answer((SHORT,), None, limit, (("a", 1.8),)))
    said = conclusion(one)
    assert said.startswith("2 GPUs are not enough, and no more were tried (--most). There, ")
    assert words in said
    assert "a alone takes 1.8 of a GPU's compute" in said
    assert one.code == 1


def test_a_larger_number_that_is_not_enough_is_said() -> None:
    three = row(3, 5.0, enough=False)
    said = conclusion(replace(FOUND, answer=Answer((SHORT, FINE, three), 2, MEMORY)))
    assert "But with 6 GPUs it is not as wished, although there are more: 4 GPUs are" in said
    assert "But with" not in conclusion(FOUND)


def test_slots_on_a_cpu_are_slots() -> None:
    cpu = replace(pool(Device("cpu"), 1.0), sleep_level=0)
    said = conclusion(replace(FOUND, pool=cpu, answer=Answer((row(1, 0.0, enough=True),), 1)))
    assert said == (
        "1 slot is enough: 95 % of the calls of class interactive begin at once, with 2.5 loads a"
        " minute."
    )


def test_classes_have_columns_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    both = {"interactive": Waits(0.0, 1.0, 2.0), "batch": Waits(3.0, 40.0, 500.0)}
    answer = Answer((replace(FINE, waits=both), replace(FINE, slots=3, waits={}, computing=1.5)), 2)
    wish = Wish({"interactive": 2.0, "batch": 60.0})
    assert print_sizing(Console(width=160), replace(FOUND, wish=wish, answer=answer)) == 0
    printed = capsys.readouterr().out
    assert "GPUs interactive wait p50  p95  p99 batch wait p50   p95 p99" in printed
    assert "interactive within 2 s, batch within 60 s" in printed
    assert "0.00 1.00 2.00           3.00 40.00 500" in printed
    assert printed.count(" 150 ") == 1


def test_what_the_trace_has_waited_stands_below(capsys: pytest.CaptureFixture[str]) -> None:
    print_sizing(Console(width=160), replace(FOUND, measured=Measured(Waits(0.5, 1.25, 2.0), 3)))
    printed = capsys.readouterr().out
    assert "\n3, real" in printed
    assert "0.50  1.25  2.00\n" in printed
    assert "- Something is assumed.\n" in printed


def test_large_sizes_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    many = pool(on_gpus(2), 600.0, 1140.0)
    print_sizing(Console(width=160), replace(FOUND, pool=many))
    assert "2 engines of 600 to 1,140 GB, 1,740 GB together" in capsys.readouterr().out


def test_json_has_no_infinity() -> None:
    unplayed = Row(1, math.inf, {})
    text = json.dumps(as_json(replace(FOUND, answer=Answer((unplayed, FINE), 2))), allow_nan=False)
    tree = json.loads(text)
    assert tree["rows"][0]["computing"] is None
    assert tree["rows"][1]["waits"]["interactive"] == {"p50": 0.0, "p95": 0.75, "p99": 1.5}
    assert tree["traffic"] == {"source": "made", "requests": 2, "calls": 2, "seconds": 4.0}
