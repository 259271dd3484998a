"""The bound on requests under way: kept before a body is read, for everything that costs."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.server.drain import Drain
from orchestrator.server.gates.in_flight import InFlight, InFlightGate
from orchestrator.server.telemetry.metrics import Metrics

COSTLY = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/batch/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/e/tiny/tokenize"),
    ("POST", "/e/tiny/detokenize"),
    ("GET", "/e/tiny/tokenizer_info"),
    ("POST", "/coterie/routers/one/reload"),
    ("POST", "/coterie/feedback"),
]
FREE = [
    ("GET", "/v1/models"),
    ("GET", "/e/tiny/health"),
    ("GET", "/e/tiny/v1/models"),
    ("GET", "/coterie/pool"),
    ("GET", "/health"),
    ("GET", "/metrics"),
]


async def _call(gate: InFlightGate, method: str, path: str) -> tuple[list[Any], list[str]]:
    """What was sent, and what was read, of a request whose body nobody may touch."""
    sent, read = [], []

    async def receive() -> Any:
        read.append(path)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    await gate(scope, receive, send)
    return sent, read


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.fixture
async def full() -> AsyncIterator[InFlightGate]:
    """A gate with one place, which is taken."""
    metrics = Metrics()
    metrics.in_flight = 1
    yield InFlightGate(_application, InFlight(metrics, Drain(), lambda: 1))
    assert metrics.in_flight == 1


@pytest.mark.parametrize(("method", "path"), COSTLY)
async def test_what_costs_is_refused_before_its_body_is_read(
    full: InFlightGate, method: str, path: str
) -> None:
    (start, body), read = await _call(full, method, path)
    assert start["status"] == 429
    assert json.loads(body["body"])["error"]["code"] == "too_many_requests"
    assert b"retry-after" in dict(start["headers"])
    assert read == []


@pytest.mark.parametrize(("method", "path"), FREE)
async def test_what_operators_look_at_is_answered(
    full: InFlightGate, method: str, path: str
) -> None:
    (start,), _ = await _call(full, method, path)
    assert start["status"] == 200


async def test_a_request_counts_until_it_has_ended_whichever_way() -> None:
    metrics = Metrics()
    seen = []

    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        seen.append(metrics.in_flight)
        raise ZeroDivisionError

    gate = InFlightGate(breaks, InFlight(metrics, Drain(), lambda: 1))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await _call(gate, "POST", "/v1/embeddings")
    assert seen == [1, 1]
    assert metrics.in_flight == 0


async def test_embeddings_and_a_large_body_meet_a_full_service(serve: Any, upstream: Any) -> None:
    gateway = await serve(server={"max_in_flight": 1})
    first = asyncio.create_task(gateway.chat("silent full-service"))
    await upstream.saw("began full-service")
    for path in ("/v1/embeddings", "/e/tiny/tokenize", "/coterie/routers/one/reload"):
        answer = await gateway.http.post(path, content=b"x" * (1 << 20))
        assert (answer.status_code, path) == (429, path)
    assert (await gateway.http.get("/v1/models")).status_code == 200
    upstream.release("full-service")
    assert (await first).status_code == 200
