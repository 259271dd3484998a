"""What is known of one expert: the routers' evidence by task, and its last calls."""

from pathlib import Path
from typing import Any

import pytest
from served_gateway import LengthEncoder

from orchestrator.request.tracing.call import CANCELLED, Call
from orchestrator.server.watching.standing import latency, learned
from routers.base import Router
from routers.outcomes import Outcome, OutcomeTable
from routers.registry import build


def _outcome(number: int, task: str, expert: str, score: float) -> Outcome:
    return Outcome(f"{task}-{number}", task, f"{task} {number}?" * (number + 1), expert, "1", score)


@pytest.fixture
def routers(tmp_path: Path) -> dict[str, Router]:
    rows = [_outcome(n, "sums", "a", 1.0) for n in range(4)]
    rows += [_outcome(n, "sums", "b", 0.5) for n in range(4)]
    rows += [_outcome(n, "words", "b", 1.0) for n in range(2)]
    path = tmp_path / "outcomes.parquet"
    OutcomeTable.from_rows(rows).write(path)
    keys = {"outcomes": str(path)}
    named = {"knn": {"type": "knn", **keys}, "again": {"type": "knn", **keys}}
    every = {**named, "any": {"type": "random"}}
    return {n: build(n, k, ("a", "b", "new"), LengthEncoder) for n, k in every.items()}


def test_an_expert_is_told_by_task_beside_the_best_and_equal_evidence_once(
    routers: dict[str, Router],
) -> None:
    (record,) = learned(routers, "b")
    assert record["routers"] == ["knn", "again"]
    assert (record["asked"], record["mean_score"]) == (6, 0.6667)
    sums, words = record["tasks"]
    assert (sums["task"], sums["asked"], sums["mean_score"]) == ("sums", 4, 0.5)
    assert (sums["best"], sums["best_score"]) == ("a", 1.0)
    assert (words["best"], words["mean_score"]) == ("b", 1.0)


def test_of_an_expert_without_outcomes_nothing_is_learned(routers: dict[str, Router]) -> None:
    assert learned(routers, "new") == []


def test_latency_counts_answers_and_failures_apart() -> None:
    calls = [Call("a", began=0.0, first=0.01 * n, ended=0.1 * n) for n in range(1, 101)]
    calls += [Call("a", began=0.0, ended=9.0, error="expert_lost")]
    calls += [Call("a", began=0.0, ended=9.0, error=CANCELLED)]
    told = latency(calls)
    assert (told["calls"], told["failed"]) == (102, 1)
    assert told["first_ms"]["p50"] == pytest.approx(505, abs=6)
    assert told["total_ms"]["p95"] == pytest.approx(9505, abs=60)
    assert latency([])["first_ms"] == {}
    assert latency(calls[:1])["total_ms"] == {"p50": 100.0, "p95": 100.0}


async def test_the_endpoint_tells_it(gateway: Any) -> None:
    await gateway.chat("x")
    told = (await gateway.http.get("/coterie/pool/experts/tiny")).json()
    assert (told["expert"], told["about"], told["engine"]) == ("tiny", "says words", None)
    assert told["latency"]["calls"] >= 1
    assert told["latency"]["total_ms"]["p50"] > 0
    missing = await gateway.http.get("/coterie/pool/experts/none")
    assert missing.status_code == 404
