"""What clients and the log are told when the service stops before a request is finished."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest


def _failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def _told(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (line,) = [r.__dict__["access"] for r in caplog.records if r.name == "coterie.access"]
    return dict(line)


async def _until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def access(caplog: pytest.LogCaptureFixture) -> Any:
    with caplog.at_level(logging.INFO, "coterie.access"):
        yield


@pytest.mark.parametrize("server", [{}, {"comment_after_s": 0.001}], ids=["plain", "commented"])
async def test_a_stream_ends_with_an_error_event(
    serve: Any, caplog: pytest.LogCaptureFixture, server: dict[str, Any]
) -> None:
    gateway = await serve(server=server)
    script = "silent stopped-stream" if server else "hold stopped-stream"
    asked = {"model": "tiny", "messages": [{"role": "user", "content": script}], "stream": True}
    async with gateway.http.stream("POST", "/v1/chat/completions", json=asked) as response:
        lines = response.aiter_lines()
        await anext(lines)
        gateway.cancel_requests()
        rest = [line async for line in lines if line.startswith("data: ")]
    assert response.status_code == 200
    assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "service_stopping"
    assert rest[-1] == "data: [DONE]"
    await gateway.settled()
    assert (_told(caplog)["status"], _told(caplog)["error"]) == (503, "service_stopping")
    assert _failures(caplog) == []


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_has_not_begun_is_a_503(
    serve: Any, upstream: Any, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    gateway = await serve()
    key = f"stopped-early-{stream}"
    asking = asyncio.create_task(gateway.chat(f"silent {key}", stream=stream))
    await upstream.saw(f"began {key}")
    gateway.cancel_requests()
    answer = await asking
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_stopping")
    assert answer.headers["retry-after"]
    await upstream.saw(f"aborted {key}")
    await gateway.settled()
    assert (_told(caplog)["status"], _told(caplog)["error"]) == (503, "service_stopping")
    assert _failures(caplog) == []


async def test_a_request_beside_the_pipeline_is_a_503(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hosted = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}
    gateway = await serve({"hosted": hosted}, slots={"preload": False})
    gateway.slots[0].hold("hosted")
    call = gateway.http.post("/e/hosted/tokenize", json={"prompt": "x"})
    asking = asyncio.create_task(call)
    await _until(lambda: gateway.context.metrics.in_flight)
    gateway.cancel_requests()
    answer = await asking
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_stopping")
    await gateway.settled()
    assert (_told(caplog)["status"], _told(caplog)["path"]) == (503, "/e/hosted/tokenize")
    assert _failures(caplog) == []
