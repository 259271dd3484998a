"""What Prometheus gets after requests of every kind, with labels from the configuration alone."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.server.telemetry.engines import EngineScraper
from orchestrator.server.telemetry.siblings import Siblings
from routers.base import Decision

VOTE = {"type": "vote", "answer": "text"}


async def _numbers(gateway: Any) -> dict[str, float]:
    """`name{labels}` -> value; that Prometheus' own parser reads it is half of every test."""
    await gateway.settled()
    text = (await gateway.http.get("/metrics")).text
    return {
        sample.name + str(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _of(numbers: dict[str, float], name: str, **labels: str) -> float:
    return numbers[name + str(sorted(labels.items()))]


async def test_decisions_calls_and_tokens_are_counted(serve: Any) -> None:
    gateway = await serve()
    await gateway.chat("x", "pool/auto")
    await gateway.chat("x", "tiny")
    await gateway.chat("drop-once numbers", "tiny")
    await gateway.chat("refuse field", "tiny")
    found = await _numbers(gateway)
    assert _of(found, "coterie_decisions_total", router="one", expert="tiny") == 1
    assert _of(found, "coterie_calls_total", expert="tiny", outcome="ok") == 3
    assert _of(found, "coterie_calls_total", expert="tiny", outcome="expert_lost") == 1
    assert _of(found, "coterie_calls_total", expert="tiny", outcome="expert_refused") == 1
    assert _of(found, "coterie_tokens_total", expert="tiny", kind="prompt") == 15
    assert _of(found, "coterie_tokens_total", expert="tiny", kind="completion") == 9
    assert _of(found, "coterie_in_flight") == 0
    by = {"expert": "tiny", "class": "interactive"}
    assert _of(found, "coterie_request_seconds_count", **by) == 3


async def test_a_call_whose_client_has_left_is_cancelled(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    asked = [{"role": "user", "content": "hold metrics-left"}]
    body = {"model": "tiny", "messages": asked, "stream": True}
    async with gateway.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        await anext(answer.aiter_bytes())
    await upstream.saw("aborted metrics-left")
    found = await _numbers(gateway)
    assert _of(found, "coterie_calls_total", expert="tiny", outcome="cancelled") == 1


async def test_a_budget_that_stops_calls_is_counted(serve: Any, upstream: Any) -> None:
    tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
    vote = {"router": "one", "aggregator": VOTE, "budget": {"calls": 1}}
    gateway = await serve({"other": tiny}, compositions={"pool/vote": vote})
    await gateway.chat("x", "pool/vote", coterie={"experts": ["tiny", "other"]})
    found = await _numbers(gateway)
    assert _of(found, "coterie_budget_stops_total", model="pool/vote", bound="calls") == 1


async def test_an_expert_that_cannot_be_loaded_is_a_fallback(serve: Any) -> None:
    hosted = {"type": "vllm", "model": "org/h"}
    gateway = await serve(
        {"hosted": hosted},
        routers={"one": _Prefers()},
        slots={"preload": False, "canary_tokens": 0, "retry_load_s": 60},
    )
    gateway.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    assert (await gateway.chat("x", "hosted")).status_code == 503
    assert (await gateway.chat("x", "pool/auto")).status_code == 200
    found = await _numbers(gateway)
    why = {"router": "one", "preferred": "hosted", "reason": "expert_unavailable"}
    assert _of(found, "coterie_fallbacks_total", **why) == 1
    assert _of(found, "coterie_calls_total", expert="hosted", outcome="expert_unavailable") == 1


async def test_engines_metrics_are_passed_on_with_the_slot(serve: Any) -> None:
    hosted = {"type": "vllm", "model": "org/h"}
    gateway = await serve({"hosted": hosted}, slots={"canary_tokens": 0})
    found = await _numbers(gateway)
    labels = {"engine": "0", "expert": "hosted", "model_name": "hosted", "slot": "slot-0"}
    assert _of(found, "vllm:num_requests_running", **labels) == 2
    assert _of(found, "coterie_slot_engines", slot="slot-0") == 1
    quiet = await serve({"hosted": hosted}, slots={"canary_tokens": 0}, metrics={"engines": False})
    assert not any(name.startswith("vllm:") for name in await _numbers(quiet))


async def test_a_slot_that_does_not_answer_is_left_out_and_said_once(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # It takes connections, and says nothing.
    host, port = silent.getsockname()
    addresses = {"slot-0": (f"http://{host}:{port}", "token")}
    scraper = EngineScraper(lambda: addresses, gateway.client, 0.05)
    assert [await scraper.page() for _ in range(3)] == ["", "", ""]
    assert scraper.failed() == {"slot-0": 3}
    assert sum("slot-0 does not tell" in r.getMessage() for r in caplog.records) == 1
    silent.close()


class _Prefers:
    """A router whose best expert is the hosted one."""

    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        return [Decision("one", (("hosted", 0.9), ("tiny", 0.5)), "") for _ in requests]


async def test_breakers_are_those_of_one_worker(serve: Any, tmp_path: Path) -> None:
    """Each worker has its own, while all of them know the same pool."""
    gateway = await serve()
    await gateway.chat("stream 3")
    telemetry = replace(gateway.context.telemetry, siblings=Siblings(tmp_path, 3))
    page = (await telemetry.page()).decode()
    lines = [line for line in page.splitlines() if line.startswith("coterie_breaker_")]
    assert lines
    assert all('worker="3"' in line for line in lines)
    assert page.count("# TYPE coterie_breaker_state gauge") == 1
