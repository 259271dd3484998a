"""The table, the figures, the curves and the picture, over a small study."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evals.benchmarks.simulation.events import LoadRecord, Outcome
from evals.benchmarks.simulation.picture import draw
from evals.benchmarks.simulation.runs import Result, Study, Waits, compare, sum_up
from evals.benchmarks.simulation.service import Machine
from evals.benchmarks.simulation.setting import Setting
from evals.benchmarks.simulation.simulation_report import figures, print_study, write_json
from evals.benchmarks.simulation.sweep import BOUNDS_S, DEMANDS, Point, measure, stretched
from evals.benchmarks.simulation.traces import BATCH, INTERACTIVE, Trace
from evals.client.progress import Progress
from experts.errors import ConfigError

WAITS = {"interactive": Waits(0.0, 1.0, 2.0, 3.0)}


def _result(name: str, loads: int, throughput: float) -> Result:
    return Result(name, 1000, loads, throughput, 0.5, 0.25, WAITS, 1.0)


def _study(ours: int = 19, throughput: float = 70.0, belady: int = 16) -> Study:
    return Study(
        Setting(),
        (
            _result("first come", 100, 60.0),
            _result("collation", 50, 65.0),
            _result("ours", ours, throughput),
            _result("Belady", belady, throughput),
        ),
    )


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_numbers_of_a_run() -> None:
    requests = Trace(("a",), [1.0, 2.0, 3.0], [0] * 3, [INTERACTIVE, BATCH, INTERACTIVE])
    loads = (LoadRecord(1.0, "a", "slot-0", 0.5),)
    found = sum_up("ours", requests, 2, Outcome([0.5, 2.0, 0.0], [1.0, 3.0, 2.0], loads, 3, 0.1))
    assert (found.loads, found.requests, found.answer_mean_s) == (1, 3, 2.0)
    assert found.throughput == 3 / 4  # The last answer is there at 5.
    assert found.loading_share == 0.5 / (2 * 4)
    assert found.waits["interactive"].p50 == 0.25
    assert found.waits["batch"] == Waits(2.0, 2.0, 2.0, 2.0)


def test_targets_met(console: Console) -> None:
    assert print_study(console, _study()) == 0
    text = _printed(console)
    assert "ok    81.0 % fewer loads than first come + LRU at 70.0 against 60.0" in text
    assert "ok    1.19 times Belady's loads" in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 130


@pytest.mark.parametrize(
    ("study", "met"),
    [
        (_study(ours=21, belady=20), [False, True]),
        (_study(throughput=59.0), [False, True]),
        (_study(belady=15), [True, False]),
    ],
)
def test_a_missed_target_is_named(study: Study, met: list[bool], console: Console) -> None:
    assert [figure.met for figure in figures(study)] == met
    assert print_study(console, study) == 1
    assert "MISS" in _printed(console)


@pytest.mark.parametrize(
    "change", [{"experts": 100}, {"alpha": 0.8}, {"rate": 100.0}, {"machine": Machine(slots=4)}]
)
def test_another_setting_has_ratios_and_no_targets(
    change: dict[str, float], console: Console
) -> None:
    study = replace(_study(ours=90), setting=replace(Setting(), **change))
    assert print_study(console, study) == 0
    text = _printed(console)
    assert "10.0 % fewer loads" in text
    assert "MISS" not in text
    assert "ok  " not in text


def test_json_has_everything_and_no_infinity(tmp_path: Path) -> None:
    write_json(tmp_path / "study.json", _study())
    text = (tmp_path / "study.json").read_text(encoding="utf-8")
    tree = json.loads(text)
    assert "Infinity" not in text
    assert tree["results"][2]["loads"] == 19
    assert tree["setting"]["age_bounds_s"] == [10.0, None]
    assert [figure["met"] for figure in tree["figures"]] == [True, True]


@pytest.mark.slow
def test_a_small_study_with_its_curves(console: Console, tmp_path: Path) -> None:
    machine = Machine(slots=1, slot_gb=2.0, work_s=0.1, solo_s=0.2)
    setting = Setting(machine, experts=4, requests=600, rate=3.0, batch_share=0.2)
    study = compare(setting, Progress(console), with_curves=True)
    print_study(console, study)
    assert "class batch" in _printed(console)
    assert [curve.age_bound_s for curve in study.curves] == [None, None, *BOUNDS_S]
    assert {len(curve.points) for curve in study.curves} == {len(DEMANDS)}
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        path = tmp_path / f"picture{suffix}"
        draw(path, setting, study.curves)
        assert path.read_bytes().startswith(magic)


def test_a_trace_is_stretched_to_a_demand() -> None:
    requests = Trace(("a",), [5.0, 6.0, 7.0, 8.0, 9.0], [0] * 5, [0] * 5)
    assert stretched(requests, 2.0, 2.0).at_s == pytest.approx([0.0, 2 / 3, 4 / 3, 2.0])
    with pytest.raises(ConfigError, match="at once"):
        stretched(replace(requests, at_s=[1.0] * 5), 2.0, 2.0)


def test_a_point_counts_nothing_of_the_warm_up() -> None:
    requests = Trace(("a",), [0.0, 10.0, 30.0, 50.0, 60.0], [0] * 5, [0, 0, 0, BATCH, 0])
    loads = (LoadRecord(0.0, "a", "slot-0", 1.0), LoadRecord(40.0, "a", "slot-0", 1.0))
    outcome = Outcome([9.0, 8.0, 1.0, 7.0, 3.0], [10.0, 9.0, 2.0, 8.0, 4.0], loads, 0, 0.0)
    assert measure(requests, 0.1, outcome) == Point(
        0.1, throughput=2 / 40, loads_per_1000=500.0, wait_p95_s=2.9, wait_max_s=3.0
    )
