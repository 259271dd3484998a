"""Traces reach the access log and the file of traces once, when a request is over."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from experts.types import Request, Usage
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import plan_expert
from orchestrator.request.tracing.sinks import AccessLog, TraceFile
from orchestrator.request.tracing.trace import Trace


def _context(request_id: str = "r-1") -> RequestContext:
    messages = [{"role": "user", "content": "What is 1 + 1?"}]
    return RequestContext(
        Request(request_id, "chat/completions", {"messages": messages}), "pool/auto", "batch"
    )


def _trace() -> Trace:
    trace = Trace(plan=plan_expert("tiny"), status=200, first_byte_ms=12.3456, total_ms=20.0)
    trace.count("tiny", Usage(5, 3))
    return trace


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_access_line_has_every_field(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "coterie.access"):
        AccessLog().write(_context(), _trace())
    (record,) = caplog.records
    told = record.__dict__["access"]
    assert (told["id"], told["model"], told["expert"]) == ("r-1", "pool/auto", "tiny")
    assert (told["status"], told["class"], told["retries"]) == (200, "batch", 0)
    assert (told["first_token_ms"], told["total_ms"]) == (12.35, 20.0)
    assert (told["prompt_tokens"], told["completion_tokens"]) == (5, 3)


def test_a_trace_is_a_line_that_an_outcome_row_can_be_made_of(tmp_path: Path) -> None:
    sink = TraceFile(tmp_path / "new" / "traces.jsonl", sample=1.0)
    sink.write(_context(), _trace())
    sink.close()
    (line,) = _lines(tmp_path / "new" / "traces.jsonl")
    assert line["query_id"] == "served/r-1"
    assert (line["task"], line["query"], line["expert"]) == ("pool/auto", "What is 1 + 1?", "tiny")
    assert (line["completion_tokens"], line["seconds"]) == (3, 0.02)


def test_a_trace_has_every_call_with_its_times_and_tokens(tmp_path: Path) -> None:
    context, trace = _context(), _trace()
    call = trace.begins("tiny", None)
    call.began = context.started + 0.25
    call.leased(10.0, 20.0, "slot-0")
    call.usage, call.ended = Usage(5, 3), context.started + 1.25
    sink = TraceFile(tmp_path / "traces.jsonl", sample=1.0)
    sink.write(context, trace)
    sink.close()
    (line,) = _lines(tmp_path / "traces.jsonl")
    assert line["calls"] == [
        {
            **{"expert": "tiny", "slot": "slot-0", "error": None, "first_at_ms": None},
            **{"began_at_ms": 250.0, "queue_ms": 10.0, "load_ms": 20.0, "ended_at_ms": 1250.0},
            "usage": {"prompt_tokens": 5, "completion_tokens": 3},
        }
    ]


def test_a_sample_depends_on_the_id_alone(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        sink = TraceFile(tmp_path / name, sample=0.3)
        for number in range(1000):
            sink.write(_context(f"r-{number}"), _trace())
        sink.close()
    kept = [line["id"] for line in _lines(tmp_path / "a.jsonl")]
    assert kept == [line["id"] for line in _lines(tmp_path / "b.jsonl")]
    assert 250 < len(kept) < 350


def test_a_disk_that_fails_costs_the_trace_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    sink = TraceFile(tmp_path / "file" / "traces.jsonl", sample=1.0)
    for _ in range(25):
        sink.write(_context(), _trace())
    sink.close()
    told = [r for r in caplog.records if r.name == "coterie.traces"]
    assert [r.exc_info is not None for r in told] == [True, False, False]
    first, counted, last = (r.getMessage() for r in told)
    assert "could not be written" in first
    assert counted.endswith(": 10")
    assert last.endswith(": 25")


async def test_a_gateway_writes_one_access_line_for_each_request(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await serve()
    with caplog.at_level(logging.INFO, "coterie.access"):
        for stream in (False, True):
            await gateway.chat("stream 2", "pool/auto", stream=stream)
        await gateway.chat("refuse field")
        await gateway.settled()
    told = [r.__dict__["access"] for r in caplog.records if r.name == "coterie.access"]
    assert [line["status"] for line in told] == [200, 200, 400]
    assert [line["error"] for line in told] == [None, None, "expert_refused"]
    assert [line["completion_tokens"] for line in told] == [3, None, None]
    assert all(line["total_ms"] >= line["first_token_ms"] > 0 for line in told[:2])
