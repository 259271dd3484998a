"""Scored answers of a service become rows; every bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.fitting.outcome_rows import read_scored
from experts.errors import ConfigError
from experts.spec import OpenAISpec
from experts.types import Request, Usage
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.sinks import trace_line
from orchestrator.request.tracing.trace import Trace

SPEC = OpenAISpec(type="openai", base_url="http://127.0.0.1:9/v1", model="m")
GOOD = {"query_id": "served/1", "task": "pool/auto", "query": "Why?", "expert": "a", "score": 0.5}


def test_rows_carry_the_experts_version(tmp_path: Path) -> None:
    file = tmp_path / "scored.jsonl"
    file.write_text(json.dumps(GOOD) + "\n\n")
    (row,) = read_scored(file, {"a": SPEC})
    assert (row.query, row.score) == ("Why?", 0.5)
    assert row.expert_version == "m at http://127.0.0.1:9/v1"


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "scored.jsonl"
    bad = ["{", json.dumps({**GOOD, "score": 7}), "[]"]
    file.write_text("\n".join(bad))
    with pytest.raises(ConfigError) as caught:
        read_scored(file, {"a": SPEC})
    first, second, third = caught.value.problems
    assert first.startswith("line 1: not JSON")
    assert second == "line 2: score: must be less than or equal to 1."
    assert third == "line 3: must be a mapping."


def test_an_expert_that_is_not_in_the_pool_is_named(tmp_path: Path) -> None:
    file = tmp_path / "scored.jsonl"
    file.write_text("\n" + json.dumps({**GOOD, "expert": "eve"}))
    with pytest.raises(ConfigError) as caught:
        read_scored(file, {"a": SPEC})
    assert caught.value.problems == ("line 2: no expert is called `eve`",)


def test_traces_of_the_same_requests_add_tokens_and_seconds(tmp_path: Path) -> None:
    file, traces = tmp_path / "scored.jsonl", tmp_path / "traces.jsonl"
    file.write_text("\n".join(json.dumps({**GOOD, "query_id": f"served/{n}"}) for n in "12"))
    context = RequestContext(Request("2", "chat/completions", {"messages": []}), "pool/auto")
    trace = Trace(total_ms=1500.0)
    trace.count("a", Usage(5, 3))
    traces.write_text(json.dumps(trace_line(context, trace)))
    untraced, traced = read_scored(file, {"a": SPEC}, traces)
    assert (untraced.completion_tokens, untraced.seconds) == (0, 0.0)
    assert (traced.completion_tokens, traced.seconds) == (3, 1.5)


def test_traces_of_other_requests_are_refused(tmp_path: Path) -> None:
    file, traces = tmp_path / "scored.jsonl", tmp_path / "traces.jsonl"
    file.write_text(json.dumps(GOOD))
    traces.write_text(json.dumps({"query_id": "served/another", "seconds": 1.0}))
    with pytest.raises(ConfigError, match=r"traces\.jsonl has no trace of any answer"):
        read_scored(file, {"a": SPEC}, traces)


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_nothing_to_read(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "scored.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"cannot be read|holds no outcomes"):
        read_scored(file, {"a": SPEC})
