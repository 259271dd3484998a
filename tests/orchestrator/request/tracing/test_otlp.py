"""Spans reach a real collector, by both protocols; one that is away costs spans and no more."""

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_collector import attributes_of, collector, free_ports, spans_store

from experts.types import Request
from orchestrator.request.context import RequestContext
from orchestrator.server.batch.desk import BatchDesk

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
VOTE = {"type": "vote", "answer": "text"}


def _of(spans: list[Span], request_id: str) -> list[Span]:
    """The spans of the trace that a request began, or that it is part of."""
    own = [s for s in spans if attributes_of(s).get("coterie.request.id") == request_id]
    return [s for s in spans if s.trace_id in {one.trace_id for one in own}]


def _has(*ids: str) -> Any:
    return lambda spans: all(_of(spans, one) for one in ids)


async def _ask(gateway: Any, request_id: str, model: str, script: str, **more: str) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": script}], "temperature": 0.5}
    if model == "pool/vote":
        body["coterie"] = {"experts": ["tiny", "other"]}
    headers = {"x-request-id": request_id, **more}
    return await gateway.http.post("/v1/chat/completions", json=body, headers=headers)


async def _gateway(serve: Any, upstream: Any, endpoint: str, **otlp: Any) -> Any:
    tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    hosted = {"type": "vllm", "model": "org/h", "memory_gb": 1}
    return await serve(
        {"other": {**tiny, "traced": True}, "hosted": hosted},
        slots={"canary_tokens": 0, "preload": False},
        compositions={
            "pool/auto": {"router": "one"},
            "pool/vote": {"router": "one", "aggregator": VOTE, "experts": 2},
        },
        traces={"otlp": {"endpoint": endpoint, **otlp}},
    )


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_gets_the_spans_of_each_request(
    serve: Any, upstream: Any, tmp_path: Path, protocol: str
) -> None:
    async with collector(tmp_path) as (spans, grpc, http):
        port = grpc if protocol == "grpc" else http
        gateway = await _gateway(serve, upstream, f"http://127.0.0.1:{port}", protocol=protocol)
        await _ask(gateway, "r-one", "pool/auto", "x", traceparent=PARENT)
        await _ask(gateway, "r-two", "pool/vote", "x")
        await _ask(gateway, "r-three", "hosted", "x")
        await _ask(gateway, "r-four", "tiny", "refuse field")
        got = await spans.until(_has("r-one", "r-two", "r-three", "r-four"))
        assert {one["service.name"] for one in spans.resources} == {"coterie"}
    _check_single(_of(got, "r-one"))
    names = Counter(span.name for span in _of(got, "r-two"))
    assert names["aggregate vote"] == names["route one"] == 1
    assert sum(count for name, count in names.items() if name.startswith("chat ")) == 2
    assert {"load hosted", "queue hosted", "chat hosted"} <= {s.name for s in _of(got, "r-three")}
    failed = {s.name: s.status.code for s in _of(got, "r-four")}
    assert failed["POST /v1/chat/completions"] == failed["chat tiny"] == Status.STATUS_CODE_ERROR


def _check_single(spans: list[Span]) -> None:
    """The spans of a request that one expert has answered, and that has a caller's span above."""
    named = {span.name: span for span in spans}
    whole, call = named["POST /v1/chat/completions"], named["chat tiny"]
    assert set(named) == {whole.name, "route one", "queue tiny", call.name}
    assert {span.trace_id for span in spans} == {TRACE_ID}
    assert whole.parent_span_id == bytes.fromhex("b7ad6b7169203331")
    below = {span.parent_span_id for span in spans if span is not whole}
    assert below == {whole.span_id}
    assert (whole.kind, call.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    told = attributes_of(whole)
    assert told["gen_ai.operation.name"] == "chat"
    assert (told["gen_ai.request.model"], told["gen_ai.response.model"]) == ("pool/auto", "tiny")
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (5, 3)
    assert told["gen_ai.request.temperature"] == 0.5
    assert told["http.response.status_code"] == 200
    for span in spans:
        assert whole.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= whole.end_time_unix_nano


async def test_an_expert_that_is_traced_is_called_by_the_span_of_its_call(
    serve: Any, upstream: Any
) -> None:
    async with spans_store() as (spans, port):
        gateway = await _gateway(serve, upstream, f"http://127.0.0.1:{port}")
        state = {"tracestate": "other=1", "baggage": "secret=1"}
        await _ask(gateway, "p-1", "other", "x", traceparent=PARENT, **state)
        passed = {name.lower(): value for name, value in upstream.headers[-1].items()}
        await _ask(gateway, "p-2", "tiny", "x", traceparent=PARENT)
        assert not {"traceparent", "baggage"} & {name.lower() for name in upstream.headers[-1]}
        got = await spans.until(_has("p-1", "p-2"))
    call = next(span for span in got if span.name == "chat other")
    assert passed["traceparent"] == f"00-{TRACE_ID.hex()}-{call.span_id.hex()}-01"
    assert passed["tracestate"] == "other=1"
    assert "baggage" not in passed


async def test_without_a_collector_a_traced_expert_gets_the_callers_own(
    serve: Any, upstream: Any
) -> None:
    remote = {"type": "openai", "base_url": upstream.base_url, "model": "m", "traced": True}
    gateway = await serve({"other": remote})
    await _ask(gateway, "w-1", "other", "x", traceparent=PARENT)
    assert upstream.headers[-1]["traceparent"] == PARENT


async def test_a_line_of_a_batch_has_spans_of_its_own(serve: Any, upstream: Any) -> None:
    async with spans_store() as (spans, port):
        gateway = await _gateway(serve, upstream, f"http://127.0.0.1:{port}")
        config, sinks = gateway.context.config, (gateway.context.telemetry,)
        keys = gateway.context.keys
        desk = BatchDesk(config, gateway.pool, gateway.pipeline, sinks, keys, sample=1.0)
        body = {"messages": [{"role": "user", "content": "x"}]}
        request = Request("line-1", "chat/completions", body)
        answered = await desk.answer(RequestContext(request, "tiny", "batch", patient=True))
        got = _of(await spans.until(_has("line-1")), "line-1")
    assert answered.status == 200
    assert {span.name for span in got} == {"batch chat", "queue tiny", "chat tiny"}


async def test_what_is_not_sampled_has_no_spans(serve: Any, upstream: Any) -> None:
    async with spans_store() as (spans, port):
        gateway = await _gateway(
            serve, upstream, f"http://127.0.0.1:{port}", sample=0, headers={"X-Key": "k-1"}
        )
        for number in range(20):
            await _ask(gateway, f"n-{number}", "tiny", "x")
        await _ask(gateway, "n-no", "tiny", "x", traceparent=PARENT[:-1] + "0")
        await _ask(gateway, "n-yes", "tiny", "x", traceparent=PARENT)
        got = await spans.until(_has("n-yes"))
        assert spans.headers[-1]["x-key"] == "k-1"
    assert {attributes_of(span).get("coterie.request.id") for span in got} == {None, "n-yes"}
    assert {span.trace_id for span in got} == {TRACE_ID}


async def test_a_collector_that_is_away_is_said_once_and_delays_nobody(
    serve: Any, upstream: Any
) -> None:
    (port,) = free_ports(1)
    said = _Said()
    logging.getLogger().addHandler(said)
    gateway = await _gateway(
        serve, upstream, f"http://127.0.0.1:{port}", timeout_s=0.2, max_queued=5
    )
    for number in range(30):
        answer = await _ask(gateway, f"a-{number}", "tiny", "x")
        assert answer.status_code == 200
    await asyncio.wait_for(said.event.wait(), 30)
    for number in range(10):
        await _ask(gateway, f"b-{number}", "tiny", "x")
    text = (await gateway.http.get("/metrics")).text
    await gateway.stop()
    logging.getLogger().removeHandler(said)
    counts = _outcomes(text)
    assert counts["dropped"] + counts["failed"] > 0
    assert counts["sent"] == 0
    told = [r.getMessage() for r in said.records if "spans cannot be sent" in r.getMessage()]
    assert len(told) == 1
    assert f"127.0.0.1:{port}" in told[0]
    assert not [r for r in said.records if r.name.startswith("opentelemetry")]


class _Said(logging.Handler):
    """What was said by all loggers, and whether any of it is about traces."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self.event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        if record.name == "coterie.traces":
            self._loop.call_soon_threadsafe(self.event.set)


def _outcomes(text: str) -> dict[str, float]:
    lines = [
        line for line in text.splitlines() if line.startswith("coterie_spanned_requests_total")
    ]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}
