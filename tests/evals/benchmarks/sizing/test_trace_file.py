"""Traces become calls: as the service writes them, as people do, and everything that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from config_files import REMOTE

from evals.benchmarks.sizing.trace_file import read_traffic, sampled_share
from evals.benchmarks.sizing.traffic import Call
from experts.errors import ConfigError
from experts.types import Request, Usage
from orchestrator.config.model import Config
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import plan_expert
from orchestrator.request.tracing.sinks import trace_line
from orchestrator.request.tracing.trace import Trace

HUB = {"type": "vllm", "model": "org/model", "memory_gb": 1}
CONFIG = Config.model_validate({"experts": {"law": HUB, "art": HUB, "far": REMOTE}})


def write(path: Path, *rows: Any) -> Path:
    texts = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def line(second: float, **fields: Any) -> dict[str, Any]:
    return {"time": second, "expert": "law", **fields}


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_traffic(path, CONFIG)
    return caught.value.problems


def test_a_line_as_the_service_writes_it_is_each_call_of_its_panel(tmp_path: Path) -> None:
    context = RequestContext(Request("r", "chat/completions", {"messages": []}), "pool/vote")
    trace = Trace(plan=plan_expert("law"), status=200, total_ms=3000.0)
    for expert, began_s, tokens in (("law", 0.5, 7), ("art", 1.5, 9), ("far", 1.5, 1)):
        call = trace.begins(expert, None)
        call.began = context.started + began_s
        call.leased(200.0, 50.0, "slot-1")
        call.first, call.ended = call.began + 0.5, call.began + 1.25
        call.usage = Usage(5, tokens)
    traffic = read_traffic(write(tmp_path / "t.jsonl", trace_line(context, trace)), CONFIG)

    assert traffic.requests == 1
    first, second = traffic.calls
    assert (first.expert, first.at_s, first.kind) == ("law", 0.0, "interactive")
    assert (second.expert, second.prompt_tokens, second.completion_tokens) == ("art", 5, 9)
    assert second.at_s == pytest.approx(1.0)
    assert second.waited_s == pytest.approx(0.25)
    assert second.served_s == pytest.approx(1.0)
    assert second.slot == "slot-1"
    assert "1 calls to experts of other servers" in traffic.notes[0]


def test_a_line_of_ones_own_is_one_call_when_it_came(tmp_path: Path) -> None:
    rows = [
        line(0, time="2026-11-28T09:00:02Z", prompt_tokens=300, completion_tokens=120),
        line(0, time="2026-11-28T09:00:00", expert="art", **{"class": "batch"}),
        line(0, time="2026-11-28T09:00:04+00:00", expert=None),
    ]
    traffic = read_traffic(write(tmp_path / "t.jsonl", *rows), CONFIG)
    assert traffic.requests == 3
    assert traffic.calls == (
        Call(0.0, "art", "batch"),
        Call(2.0, "law", "interactive", 300, 120),
    )


def test_a_call_that_failed_has_come_and_says_nothing_of_how_long_it_takes(tmp_path: Path) -> None:
    made = {"expert": "law", "began_at_ms": 0, "queue_ms": 9, "ended_at_ms": 9, "error": "x"}
    row = line(1.0, calls=[made], total_ms=10)
    [call] = read_traffic(write(tmp_path / "t.jsonl", row), CONFIG).calls
    assert (call.waited_s, call.served_s, call.completion_tokens) == (None, None, None)


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [
        "{",
        [1],
        line(0, time="soon"),
        {"expert": "law"},
        line(0, **{"class": "rush"}),
        line(0, calls={}),
        line(0, calls=[{"expert": "law", "queue_ms": -1}]),
        line(0, calls=[{"expert": 3}]),
        line(0, panel=["law", "art"]),
        {"time": 3},
        line(0, prompt_tokens="many"),
    ]
    found = problems(write(tmp_path / "t.jsonl", *rows))
    assert len(found) == len(rows)
    for number, (problem, words) in enumerate(
        zip(
            found,
            (
                "not JSON",
                "write an object",
                "`time` is no time",
                "`time` must be",
                "no class is called `rush`",
                "`calls` must be a list",
                "calls[0]: `queue_ms` must be a number",
                "calls[0]: `expert` must be a name",
                "record the traces again",
                "neither `calls` nor `expert`",
                "`prompt_tokens` must be a number",
            ),
            strict=True,
        ),
        start=1,
    ):
        assert problem.startswith(f"line {number}: ")
        assert words in problem


def test_experts_that_the_pool_lacks_are_named_once(tmp_path: Path) -> None:
    rows = [line(0, expert="gone"), line(1, expert="gone"), line(2, expert="new")]
    found = problems(write(tmp_path / "t.jsonl", *rows))
    assert [problem.partition(";")[0] for problem in found] == [
        "line 1: the pool has no expert `gone` (called 2 times)",
        "line 3: the pool has no expert `new` (called once)",
    ]


def test_calls_to_experts_that_the_pool_lacks_are_left_out_with_one_note(tmp_path: Path) -> None:
    gone = [line(1, expert="gone"), line(2, expert="new"), line(3, expert="gone")]
    traffic = read_traffic(write(tmp_path / "t.jsonl", line(0), *gone, line(4)), CONFIG)
    assert [call.expert for call in traffic.calls] == ["law", "law"]
    [note] = traffic.notes
    assert "`gone` (called 2 times), `new` (called once)" in note


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ((), "has no requests"),
        ((line(0, expert=None),), "none of them called an expert of the slots"),
        ((line(0, expert="far"),), "none of them called an expert of the slots"),
    ],
)
def test_without_calls_there_is_nothing_to_size(
    rows: tuple[Any, ...], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        read_traffic(write(tmp_path / "t.jsonl", *rows), CONFIG)


def test_times_that_run_backwards_are_told_and_put_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", line(100), line(99.5), line(40), line(41))
    traffic = read_traffic(path, CONFIG)
    assert [call.at_s for call in traffic.calls] == [0.0, 1.0, 59.5, 60.0]
    [note] = traffic.notes
    assert f"{path}, line 3: its time is 60 s before" in note
    ordered = write(tmp_path / "o.jsonl", line(1), line(0.5), line(2))
    assert read_traffic(ordered, CONFIG).notes == ()


def test_a_sampled_file_stands_for_more(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", line(0), line(1))
    traces = {"file": path, "sample": 0.25}
    config = Config.model_validate({"experts": {"law": HUB}, "traces": traces})
    assert sampled_share(path, config) == 0.25
    assert "stands for 4" in read_traffic(path, config).notes[0]
    assert sampled_share(tmp_path / "other.jsonl", config) == 1.0
