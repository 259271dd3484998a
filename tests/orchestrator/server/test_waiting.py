"""What a client gets while its answer has not begun: comments in streams, and when to retry."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest

from experts.errors import ExpertOverloaded, ExpertUnavailable
from orchestrator.server.errors import headers_of
from orchestrator.server.waiting import WaitNotes
from routers.base import Decision

HOSTED = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}
SOON = {"comment_after_s": 0.005, "comment_interval_s": 0.005}
COLD = {"preload": False, "canary_tokens": 0}
AS_IF_AT_ONCE = ("x-coterie-queue-ms", "x-coterie-load-ms", "x-coterie-slot-wait-ms")


@pytest.fixture(scope="session")
async def talking(serve: Any) -> Any:
    """A gateway whose waiting clients hear of it at once."""
    return await serve(server=SOON)


@pytest.fixture
async def cold(serve: Any) -> Any:
    """One with a hosted expert that is not loaded."""
    gateway = await serve({"hosted": HOSTED}, slots=COLD, server=SOON)
    gateway.slots[0].hold("hosted")
    return gateway


def _body(script: str, model: str = "tiny", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": script}]
    return {"model": model, "messages": messages, "stream": True, **more}


@asynccontextmanager
async def _stream(gateway: Any, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
    async with gateway.http.stream("POST", "/v1/chat/completions", json=body) as response:
        yield response


async def _first_comment(gateway: Any) -> str:
    """Wait until a stream that begins now gets its first comment."""
    async with _stream(gateway, _body("silent never")) as response:
        return str(await anext(response.aiter_lines()))


async def test_a_client_that_waits_for_a_load_hears_of_it(cold: Any) -> None:
    async with _stream(cold, _body("stream 3", "hosted", coterie={"class": "batch"})) as response:
        lines = response.aiter_lines()
        comments = [await anext(lines) for _ in range(4)][::2]
        cold.slots[0].release("hosted")
        rest = [line async for line in lines if line.startswith("data: ")]
    assert all(comment.startswith(": ") for comment in comments)
    assert all("hosted" in comment for comment in comments)
    assert rest[-1] == "data: [DONE]"
    assert len(rest) == 5
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-request-id"]
    assert response.headers["x-coterie-expert"] == "hosted"
    assert response.headers["x-coterie-class"] == "batch"
    assert not any(name in response.headers for name in AS_IF_AT_ONCE)


async def test_the_bytes_after_the_comments_are_the_experts(talking: Any, upstream: Any) -> None:
    body = _body("silent bytes")
    async with _stream(talking, body) as response:
        pieces = response.aiter_bytes()
        first = await anext(pieces)
        upstream.release("bytes")
        through = first + b"".join([piece async for piece in pieces])
    direct = await talking.http.post(f"{upstream.base_url}/chat/completions", json=body)
    assert first.startswith(b": tiny has the request\n\n")
    answer = through[through.index(b"data: ") :]
    assert answer == direct.content
    *comments, belated, rest = through[: -len(answer)].split(b"\n\n")
    assert set(comments) == {b": tiny has the request"}
    waits = [b": " + name.encode() + rb" [\d.]+" for name in AS_IF_AT_ONCE]
    assert re.fullmatch(b"\n".join(waits), belated)
    assert rest == b""


async def test_openais_client_skips_the_comments(talking: Any, upstream: Any) -> None:
    asking = asyncio.create_task(
        talking.openai.chat.completions.create(
            **_body("silent skipped", "pool/auto", stream_options={"include_usage": True})
        )
    )
    stream = await asking  # The head is here, though the expert is silent.
    upstream.release("skipped")
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == (
        "wörd0 wörd1 wörd2 "
    )
    assert chunks[-1].usage.total_tokens == 8


async def test_an_explanation_stands_between_the_comments_and_the_answer(cold: Any) -> None:
    async with _stream(cold, _body("x", "hosted", coterie={"explain": True})) as response:
        lines = response.aiter_lines()
        await anext(lines)
        cold.slots[0].release("hosted")
        events = [line async for line in lines if line.startswith("data: ")]
    extension = json.loads(events[0].removeprefix("data: "))["coterie"]
    assert extension["expert"] == "hosted"
    assert extension["queue_ms"] + extension["load_ms"] > 0


class _Prefers:
    """Another expert than the one that answers in the end."""

    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        return [Decision("one", (("hosted", 0.9), ("tiny", 0.5)), "") for _ in requests]


async def test_who_answers_in_place_of_the_expert_in_the_head_is_told_in_a_comment(
    serve: Any,
) -> None:
    gateway = await serve(
        {"hosted": HOSTED},
        routers={"one": _Prefers()},
        slots=COLD,
        server={**SOON, "comment_after_s": 0.3},
    )
    gateway.slots[0].hold("hosted")
    gateway.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    async with _stream(gateway, _body("stream 1", "pool/auto")) as response:
        lines = response.aiter_lines()
        await anext(lines)
        gateway.slots[0].release("hosted")
        told = [line async for line in lines]
    # Where the decision took longer than the head could wait, it names nobody.
    assert response.headers.get("x-coterie-expert", "hosted") == "hosted"
    assert ": x-coterie-expert tiny" in told
    assert ": x-coterie-fallback expert_unavailable" in told
    assert told[-2:] == ["data: [DONE]", ""]


async def test_a_load_that_fails_under_the_comments_ends_the_stream_with_its_error(
    cold: Any,
) -> None:
    cold.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    async with _stream(cold, _body("x", "hosted")) as response:
        lines = response.aiter_lines()
        await anext(lines)
        cold.slots[0].release("hosted")
        events = [line async for line in lines if line.startswith("data: ")]
    assert response.status_code == 200
    error = json.loads(events[0].removeprefix("data: "))["error"]
    assert (error["code"], error["source"]) == ("expert_unavailable", "hosted")
    assert "no such dtype" in error["message"]
    assert events[1:] == ["data: [DONE]"]
    await cold.settled()
    assert (
        'expert="hosted",model="hosted",status="503"} 1.0' in cold.context.metrics.text().decode()
    )


async def test_openais_client_raises_for_an_error_after_comments(cold: Any) -> None:
    cold.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    stream = await cold.openai.chat.completions.create(**_body("x", "hosted"))
    cold.slots[0].release("hosted")
    with pytest.raises(openai.APIError, match="no such dtype"):
        await anext(stream)


async def test_a_break_in_mid_stream_after_comments_is_an_error_event(cold: Any) -> None:
    async with _stream(cold, _body("cut", "hosted")) as response:
        lines = response.aiter_lines()
        await anext(lines)
        cold.slots[0].release("hosted")
        events = [line async for line in lines if line.startswith("data: ")]
    assert len(events) == 4
    assert json.loads(events[2].removeprefix("data: "))["error"]["code"] == "expert_lost"
    assert events[3] == "data: [DONE]"


async def test_a_client_that_leaves_among_the_comments_aborts_the_request(
    talking: Any, upstream: Any
) -> None:
    async with _stream(talking, _body("silent left")) as response:
        await anext(response.aiter_lines())
        await upstream.saw("began left")
    await upstream.saw("aborted left")
    await talking.settled()


async def test_a_client_that_leaves_a_load_leaves_the_queue(cold: Any) -> None:
    async with _stream(cold, _body("x", "hosted")) as response:
        await anext(response.aiter_lines())
    await cold.settled()
    assert cold.pool.snapshot()["queued"]["hosted"] == 0
    cold.slots[0].release("hosted")


async def test_a_stream_that_begins_in_time_keeps_every_header(gateway: Any) -> None:
    answer = await gateway.chat("x", stream=True)
    assert all(float(answer.headers[name]) >= 0 for name in AS_IF_AT_ONCE)
    assert answer.content.startswith(b"data: ")


async def test_a_whole_answer_has_no_comments(talking: Any, upstream: Any) -> None:
    asking = asyncio.create_task(talking.chat("silent whole-wait"))
    await upstream.saw("began whole-wait")
    await _first_comment(talking)  # Another client has waited long enough for one meanwhile.
    upstream.release("whole-wait")
    answer = await asking
    assert answer.json()["choices"][0]["message"]["content"] == "wörd"
    assert all(name in answer.headers for name in AS_IF_AT_ONCE)


async def test_comments_can_be_switched_off(serve: Any, upstream: Any, talking: Any) -> None:
    gateway = await serve(server={"comment_after_s": None})
    asking = asyncio.create_task(gateway.chat("silent switched-off", stream=True))
    await upstream.saw("began switched-off")
    await _first_comment(talking)
    upstream.release("switched-off")
    assert (await asking).content.startswith(b"data: ")


async def test_a_client_of_a_slow_router_hears_of_it(serve: Any) -> None:
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow:
        name = "one"

        def route(self, requests: Any) -> Any:
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(5)
            return [Decision("one", (("tiny", 1.0),), "") for _ in requests]

    gateway = await serve(server=SOON, routers={"one": Slow()})
    async with _stream(gateway, _body("x", "pool/auto")) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == ": choosing an expert"
        assert "x-coterie-expert" not in response.headers
        go_on.set()
        assert [line async for line in lines][-2] == "data: [DONE]"


# The notes by themselves.


class Wire:
    """What was sent; a send waits while `open` is not set."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.trying = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, message: Any) -> None:
        self.trying.set()
        await self.open.wait()
        self.messages.append(message)


def _notes(wire: Wire) -> WaitNotes:
    return WaitNotes(wire.send, lambda: {"type": "http.response.start"}, lambda: "busy", 60)


async def test_notes_that_end_in_time_send_nothing() -> None:
    wire = Wire()
    notes = _notes(wire)
    notes.begin(60)
    await notes.end()
    assert (notes.head_sent, wire.messages) == (False, [])


async def test_notes_that_never_began_end() -> None:
    notes = _notes(Wire())
    await notes.end()
    assert not notes.head_sent


async def test_notes_that_end_before_their_head_is_out_have_sent_none() -> None:
    wire = Wire()
    wire.open.clear()
    notes = _notes(wire)
    notes.begin(0)
    await wire.trying.wait()
    await notes.end()
    assert (notes.head_sent, wire.messages) == (False, [])


async def test_notes_of_a_client_that_reads_slowly_end_at_once() -> None:
    wire = Wire()
    notes = _notes(wire)
    notes.begin(0)
    while not wire.messages:
        await wire.trying.wait()
        wire.trying.clear()
    wire.open.clear()
    await notes.end()
    assert notes.head_sent


# When to come again.


@pytest.mark.parametrize(
    ("told_s", "expected"),
    [
        (None, "5"),
        (0.0, "1"),
        (0.2, "1"),
        (1.0, "1"),
        (7.1, "8"),
        (500.0, "120"),
        (math.inf, "120"),
    ],
)
def test_an_unavailable_expert_says_when_to_come_again(told_s: float | None, expected: str) -> None:
    error = ExpertUnavailable("It failed.", expert="tiny", retry_after_s=told_s)
    assert headers_of(error, "r-1") == {"x-request-id": "r-1", "retry-after": expected}


@pytest.mark.parametrize(("told_s", "expected"), [(None, "5"), (0.0, "1"), (2.5, "3")])
def test_a_full_queue_tells_about_how_long_it_is(told_s: float | None, expected: str) -> None:
    error = ExpertOverloaded("Full.", expert="tiny", retry_after_s=told_s)
    assert headers_of(error, "r-1")["retry-after"] == expected


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/e/hosted/tokenize"])
async def test_a_failed_load_says_when_it_is_tried_again(serve: Any, path: str) -> None:
    gateway = await serve({"hosted": HOSTED}, slots={**COLD, "retry_load_s": 7.5})
    gateway.slots[0].load_errors["hosted"] = [RuntimeError("no such dtype")]
    body = _body("x", "hosted") if "chat" in path else {"prompt": "x"}
    answer = await gateway.http.post(path, json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "8")
