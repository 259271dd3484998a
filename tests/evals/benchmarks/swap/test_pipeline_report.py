"""Loads counted by stage, and what is said of them."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from policy_states import NOW, RULES, engine
from rich.console import Console

from evals.benchmarks.swap.pipeline_report import (
    PipelineBench,
    print_pipeline,
    verdicts,
    write_json,
)
from evals.benchmarks.swap.pipeline_runs import LoadsByStage, PipelineRun
from orchestrator.residency.machine.state import CHOICE, FIRST, EngineState, SlotState


def _run(name: str, seconds: float, requests: int = 100, failures: int = 0) -> PipelineRun:
    return PipelineRun(name, requests, 17, seconds, seconds / 2, failures)


BENCH = PipelineBench(
    experts=16,
    slots=4,
    loads={"tagger": {"a": 1}, "panel": {"a": 1, "b": 1}, "lead": {"a": 1}},
    ours=_run("ours", 50.0),
    in_time=_run("without prefetch", 55.0),
    single=_run("a load per request", 60.0, requests=12),
    debate=_run("debate, one slot", 150.0),
    wide=_run("debate, 4 slots", 100.0),
)


def _loads(*engines: EngineState) -> dict[str, dict[str, int]]:
    counted = LoadsByStage()
    for one in engines:
        counted([SlotState("slot", 1.0)], [one], NOW, RULES)
    return counted.by_stage()


def _waits(name: str, *stages: int) -> EngineState:
    state = engine(name, waiting=len(stages))
    state.stages = dict.fromkeys(stages, 1)
    return state


def test_a_load_is_for_the_earliest_stage_that_waits() -> None:
    ahead = engine("d")
    ahead.expected = 1
    found = _loads(
        _waits("a", CHOICE, FIRST), _waits("b", FIRST, FIRST + 1), _waits("c", FIRST + 1), ahead
    )
    assert found == {"tagger": {"a": 1}, "panel": {"b": 1}, "lead": {"c": 1, "d": 1}}


def test_all_targets_met() -> None:
    found = verdicts(BENCH)
    assert all(verdict.met for verdict in found)
    assert "1 for the tagger, 2 for the panel, 1 for the lead" in found[0].text
    assert "10.0 times faster than a load per request" in found[1].text
    assert "0.50 times as long as the debate on 4" in found[2].text


def test_a_second_load_for_a_stage_is_named() -> None:
    twice = replace(BENCH, loads={**BENCH.loads, "panel": {"a": 2, "b": 1}})
    assert not verdicts(twice)[0].met
    assert "a 2 times for the panel" in verdicts(twice)[0].text


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"single": _run("s", 41.0, requests=12)}, 1),
        ({"wide": _run("w", 39.0)}, 2),
        ({"debate": _run("d", 99.0, failures=1)}, 3),
    ],
)
def test_what_is_missed(change: dict[str, PipelineRun], missed: int) -> None:
    found = verdicts(replace(BENCH, **change))
    assert [not verdict.met for verdict in found] == [n == missed for n in range(4)]


@pytest.mark.parametrize(
    ("debate_s", "wide_s", "says"),
    [
        (150.0, 100.0, "0.50 times as long with the memory of 4, 1.33 times as long if"),
        (150.0, 100.0, "reproduced for their memory, not shown for their compute."),
        (160.0, 100.0, "reproduced, even if their compute were used to the full."),
        (60.0, 30.0, "1.67 times as long with the memory of 4, 3.33 times"),
        (60.0, 30.0, "refuted."),
    ],
)
def test_what_is_said_of_the_claim(debate_s: float, wide_s: float, says: str) -> None:
    console = Console(file=io.StringIO(), width=160)
    bench = replace(BENCH, debate=_run("debate", debate_s), wide=_run("wide", wide_s))
    print_pipeline(console, bench)
    assert isinstance(console.file, io.StringIO)
    assert says in console.file.getvalue()


def test_the_table_and_the_file(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=160)
    assert print_pipeline(console, BENCH) == 0
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    row = next(line for line in printed.splitlines() if line.startswith("a load per request"))
    assert row.split()[-6:] == ["12", "17", "60.0", "0.20", "30.0", "10.0"]
    assert "4 times the memory, not 4 times the compute" in printed
    out = tmp_path / "pipeline.json"
    write_json(out, BENCH)
    tree = json.loads(out.read_text(encoding="utf-8"))
    assert tree["ours"]["loads"] == 17
    assert [verdict["met"] for verdict in tree["verdicts"]] == [True] * 4
