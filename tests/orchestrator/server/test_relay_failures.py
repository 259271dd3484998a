"""The gateway when experts fail, clients leave, and there is too much to do."""

import asyncio
import json
import logging
from typing import Any

import openai
import pytest

from experts.engine import Answer as ExpertAnswer
from orchestrator.request.single_answer import SingleAnswers

HOSTED = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}


async def _stream(gateway: Any, script: str) -> Any:
    messages = [{"role": "user", "content": script}]
    return await gateway.openai.chat.completions.create(
        model="tiny", messages=messages, stream=True
    )


@pytest.mark.parametrize("stream", [True, False])
async def test_an_experts_refusal_passes_with_its_source(gateway: Any, stream: bool) -> None:
    answer = await gateway.chat("refuse field", stream=stream)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["message"], error["param"], error["source"]) == ("bad n", "n", "tiny")
    assert error["type"] == "invalid_request_error"


async def test_a_prompt_over_the_context_gets_openais_code_and_both_lengths(gateway: Any) -> None:
    error = (await gateway.chat("refuse context")).json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "1024" in error["message"]
    assert "1030" in error["message"]


async def test_an_experts_own_code_passes(gateway: Any) -> None:
    answer = await gateway.chat("refuse coded")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert answer.headers["retry-after"]


async def test_an_experts_failure_is_a_bad_gateway(gateway: Any) -> None:
    answer = await gateway.chat("refuse broken")
    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "server_error"
    assert answer.json()["error"]["source"] == "tiny"


async def test_a_connection_broken_before_the_first_byte_is_tried_again(gateway: Any) -> None:
    answer = await gateway.chat("drop-once whole")
    assert answer.status_code == 200
    assert answer.json()["coterie"]["attempts"] == 2


async def test_a_stream_broken_before_the_first_byte_is_tried_again(gateway: Any) -> None:
    stream = await _stream(gateway, "drop-once stream")
    assert len([chunk async for chunk in stream]) == 4


@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_that_always_breaks_is_a_bad_gateway_naming_the_expert(
    gateway: Any, stream: bool
) -> None:
    answer = await gateway.chat("drop", stream=stream)
    error = answer.json()["error"]
    assert answer.status_code == 502
    assert (error["code"], error["source"]) == ("expert_lost", "tiny")
    assert "tiny" in error["message"]


async def test_a_whole_answer_that_breaks_off_is_a_bad_gateway(gateway: Any) -> None:
    answer = await gateway.chat("cut")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "expert_lost")


async def test_an_expert_that_is_silent_for_too_long_is_a_gateway_timeout(
    serve: Any, upstream: Any
) -> None:
    slow = {
        "type": "openai",
        "base_url": upstream.base_url,
        "model": "tiny-model",
        "timeout_s": 0.05,
    }
    gateway = await serve({"slow": slow}, server={"retries": 0})
    answer = await gateway.chat("silent timeout", "slow")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "expert_timeout")


async def test_a_break_in_mid_stream_is_an_error_event_and_then_the_end(gateway: Any) -> None:
    answer = await gateway.chat("cut", stream=True)
    events = answer.text.strip().split("\n\n")
    assert len(events) == 4
    assert events[-1] == "data: [DONE]"
    error = json.loads(events[-2].removeprefix("data: "))["error"]
    assert (error["code"], error["source"]) == ("expert_lost", "tiny")


async def test_openais_client_raises_on_a_break_in_mid_stream(gateway: Any) -> None:
    stream = await _stream(gateway, "cut")
    texts = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
    assert texts == ["wörd0 ", "wörd1 "]
    with pytest.raises(openai.APIError, match="tiny"):
        await anext(stream)


async def test_a_client_that_leaves_a_stream_aborts_it(gateway: Any, upstream: Any) -> None:
    stream = await _stream(gateway, "hold left-stream")
    await anext(stream)
    await stream.close()
    await upstream.saw("aborted left-stream")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_first_byte_aborts_the_request(
    gateway: Any, upstream: Any, stream: bool
) -> None:
    key = f"left-early-{stream}"
    asking = asyncio.create_task(gateway.chat(f"silent {key}", stream=stream))
    await upstream.saw(f"began {key}")
    asking.cancel()
    await upstream.saw(f"aborted {key}")
    await asyncio.gather(asking, return_exceptions=True)


async def test_a_client_that_leaves_is_not_counted_as_a_failure(serve: Any, upstream: Any) -> None:
    gateway = await serve()
    asking = asyncio.create_task(gateway.chat("silent uncounted"))
    await upstream.saw("began uncounted")
    asking.cancel()
    await upstream.saw("aborted uncounted")
    await asyncio.gather(asking, return_exceptions=True)
    await gateway.settled()
    assert 'status="500"' not in (await gateway.http.get("/metrics")).text


async def test_a_failure_of_an_expert_is_counted_under_its_name(serve: Any) -> None:
    gateway = await serve()
    await gateway.chat("drop", "pool/auto")
    await gateway.settled()
    text = (await gateway.http.get("/metrics")).text
    assert 'expert="tiny",model="pool/auto",status="502"} 1.0' in text
    assert 'coterie_retries_total{expert="tiny"} 1.0' in text


async def test_a_client_that_leaves_gives_its_turn_to_the_next(serve: Any, upstream: Any) -> None:
    one = {
        "type": "openai",
        "base_url": upstream.base_url,
        "model": "tiny-model",
        "max_in_flight": 1,
    }
    gateway = await serve({"one": one})
    first = asyncio.create_task(gateway.chat("silent first-turn", "one"))
    await upstream.saw("began first-turn")
    second = asyncio.create_task(gateway.chat("x", "one"))
    first.cancel()
    assert (await second).status_code == 200
    await asyncio.gather(first, return_exceptions=True)


async def test_too_many_requests_are_told_to_come_back(serve: Any, upstream: Any) -> None:
    gateway = await serve(server={"max_in_flight": 1})
    first = asyncio.create_task(gateway.chat("silent crowd"))
    await upstream.saw("began crowd")
    answer = await gateway.chat("x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_requests")
    assert int(answer.headers["retry-after"]) >= 1
    upstream.release("crowd")
    assert (await first).status_code == 200
    await gateway.settled()
    assert (await gateway.chat("x")).status_code == 200


async def test_a_full_queue_is_told_to_come_back(serve: Any, upstream: Any) -> None:
    bounds = {"max_in_flight": 1, "max_queued": 0}
    spec = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model", **bounds}
    gateway = await serve({"busy": spec})
    first = asyncio.create_task(gateway.chat("silent queue", "busy"))
    await upstream.saw("began queue")
    answer = await gateway.chat("x", "busy")
    upstream.release("queue")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "expert_overloaded")
    assert answer.json()["error"]["source"] == "busy"
    assert answer.headers["retry-after"]
    await first


async def test_a_load_that_takes_too_long_is_a_gateway_timeout(serve: Any) -> None:
    bounds = {"slots": {"preload": False}, "server": {"lease_timeout_s": 0.05}}
    gateway = await serve({"hosted": HOSTED}, **bounds)
    gateway.slots[0].hold("hosted")
    answer = await gateway.chat("x", "hosted")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "expert_timeout")


async def test_tokenizing_does_not_wait_longer_for_a_load_than_a_chat(serve: Any) -> None:
    bounds = {"slots": {"preload": False}, "server": {"lease_timeout_s": 0.05}}
    gateway = await serve({"hosted": HOSTED}, **bounds)
    gateway.slots[0].hold("hosted")
    async with asyncio.timeout(2):
        answer = await gateway.http.post("/e/hosted/tokenize", json={"prompt": "x"})
    assert answer.status_code == 504


async def test_a_load_that_fails_is_unavailable_with_the_engines_words(serve: Any) -> None:
    gateway = await serve({"hosted": HOSTED}, slots={"preload": False})
    gateway.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    answer = await gateway.chat("x", "hosted")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "expert_unavailable")
    assert "no such dtype" in error["message"]
    assert answer.headers["retry-after"]


async def _fail(*_: Any) -> Any:
    raise ZeroDivisionError("a fault of ours")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_fault_of_ours_is_a_500_with_its_request_id_in_the_log(
    serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    gateway = await serve()
    monkeypatch.setattr(gateway.pipeline, "answer", _fail)
    answer = await gateway.chat("x", stream=stream)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert f"request {answer.headers['x-request-id']} failed" in caplog.text
    assert "a fault of ours" in caplog.text  # The traceback.
    counted = gateway.context.metrics.text().decode()
    assert 'status="500"} 1.0' in counted
    assert 'status="499"' not in counted


async def test_a_fault_of_ours_in_mid_stream_is_an_error_event(
    serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await serve()

    async def broken(self: Any, first: bytes, blocks: Any, *_: Any) -> Any:
        yield first
        async for block in blocks:
            yield block
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(SingleAnswers, "_watched", broken)
    answer = await gateway.chat("stream 3", stream=True)
    assert '"code": "internal_error"' in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")
    assert f"request {answer.headers['x-request-id']} failed" in caplog.text
    assert "a fault of ours" in caplog.text
    await gateway.settled()
    assert 'status="500"} 1.0' in gateway.context.metrics.text().decode()


async def test_a_fault_after_the_last_byte_is_logged_and_not_told(
    serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await serve()

    async def broken(self: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(ExpertAnswer, "aclose", broken)
    assert (await gateway.chat("x")).json()["choices"]
    assert (await gateway.chat("stream 1", stream=True)).text.endswith("data: [DONE]\n\n")
    await gateway.settled()
    assert len([r for r in caplog.records if r.name == "coterie.server"]) == 2


async def test_requests_after_a_broken_stream_work(gateway: Any) -> None:
    await gateway.chat("cut", stream=True)
    assert (await gateway.chat("x")).status_code == 200


@pytest.mark.parametrize("body", ["null", "[]", "<html>", "{}", '{"choices": ["x"]}'])
async def test_a_whole_answer_that_is_none_is_its_experts_error(gateway: Any, body: str) -> None:
    answer = await gateway.chat(f"event {body}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "bad_output")
    assert answer.json()["error"]["source"] == "tiny"


async def test_a_stream_that_ends_without_an_end_gets_an_error_event(gateway: Any) -> None:
    answer = await gateway.chat("unfinished", stream=True)
    assert '"code": "expert_lost"' in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_waiting_that_was_given_up_is_told(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await serve(
        {"hosted": HOSTED}, slots={"preload": False}, server={"lease_timeout_s": 0.05}
    )
    gateway.slots[0].hold("hosted")
    with caplog.at_level(logging.INFO, "coterie.access"):
        assert (await gateway.chat("x", "hosted")).status_code == 504
        await gateway.settled()
    (line,) = [r.__dict__["access"] for r in caplog.records if r.name == "coterie.access"]
    assert line["queue_ms"] >= 50
