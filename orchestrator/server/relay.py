"""Sends an expert's answer to the client: bytes untouched, errors as OpenAI words them."""

import asyncio
import json
import time
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from experts.errors import CoterieError
from experts.types import Request
from orchestrator.request.pipeline import Answer
from orchestrator.request.trace import Trace
from orchestrator.server.context import Context
from orchestrator.server.errors import body_of, headers_of, status_of
from orchestrator.server.waiting import WaitNotes

EVENT_STREAM = "text/event-stream"
STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
CLIENT_LEFT = 499
"""What proxies log for a client that closed the connection; nobody receives it."""


class Relay(Response):
    """An ASGI response that runs the pipeline while it is sent; a client that leaves aborts it."""

    def __init__(self, context: Context, request: Request, trace: Trace) -> None:
        super().__init__()
        self.pipeline = context.pipeline
        self.metrics = context.metrics
        self.request = request
        self.trace = trace
        self._comment_after_s = context.config.server.comment_after_s
        self._comment_interval_s = context.config.server.comment_interval_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.current_task()
        assert work is not None
        watch = asyncio.create_task(_cancel_when_gone(receive, work))

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                watch.cancel()  # After the last byte, the connection may be reported as gone.
            await send(message)

        try:
            await self._run(sender)
        except asyncio.CancelledError:
            if watch.cancelled() or not watch.done():
                raise  # The server stops.
            work.uncancel()
        finally:
            watch.cancel()

    async def _run(self, send: Send) -> None:
        started = time.perf_counter()
        status = CLIENT_LEFT
        notes = WaitNotes(send, self._early_head, self._doing, self._comment_interval_s)
        if self.request.stream and self._comment_after_s is not None:
            notes.begin(self._comment_after_s)  # A whole answer has no place for them.
        try:
            async with await self.pipeline.answer(self.request, self.trace) as answer:
                await notes.end()
                self.metrics.begun(self.trace, time.perf_counter() - started)
                await self._send(answer, send, notes.head_sent)
            status = 200
        except CoterieError as error:
            status = status_of(error)
            await notes.end()
            if notes.head_sent:
                await _send_error_event(error, send)
            else:
                await send_error(error, self.request.id, send)
        finally:
            notes.stop()
            self.metrics.ended(self.trace, status)

    def _early_head(self) -> Message:
        headers = {"content-type": f"{EVENT_STREAM}; charset=utf-8", **STREAM_HEADERS}
        return _start(200, self.trace.early_headers() | headers)

    def _doing(self) -> str:
        return self.pipeline.doing(self.trace)

    async def _send(self, answer: Answer, send: Send, head_sent: bool) -> None:
        streaming = head_sent or answer.content_type.startswith(EVENT_STREAM)
        first = answer.first
        if streaming and self.trace.options.explain:
            first = _explanation(answer, self.request) + first
        elif not streaming:
            first = _with_extension(first, answer, self.trace.options.explain)
        if not head_sent:
            headers = answer.trace.headers() | {"content-type": answer.content_type}
            headers |= STREAM_HEADERS if streaming else {"content-length": str(len(first))}
            await send(_start(200, headers))
        else:
            first = _belated(answer.trace) + first
        await send({"type": "http.response.body", "body": first, "more_body": streaming})
        if not streaming:
            return
        try:
            async for piece in answer.rest:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except CoterieError as error:
            self.metrics.broken(answer.trace)
            await _send_error_event(error, send)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_error(error: CoterieError, request_id: str, send: Send) -> None:
    """A whole error response."""
    body = json.dumps(body_of(error)).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    await send(_start(status_of(error), headers | headers_of(error, request_id)))
    await send({"type": "http.response.body", "body": body})


async def _send_error_event(error: CoterieError, send: Send) -> None:
    """The end of a stream whose status is gone already: the SDKs raise on such an event."""
    event = f"data: {json.dumps(body_of(error))}\n\ndata: [DONE]\n\n".encode()
    await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _start(status: int, headers: dict[str, str]) -> Message:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}


async def _cancel_when_gone(receive: Receive, work: "asyncio.Task[Any]") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()


def _belated(trace: Trace) -> bytes:
    """The headers that were not known when the head went out, as comments."""
    early = trace.early_headers()
    lines = [f": {name} {value}\n" for name, value in trace.headers().items() if name not in early]
    return ("".join(lines) + "\n").encode("latin-1")


def _explanation(answer: Answer, request: Request) -> bytes:
    """A first chunk without choices, which clients of the protocol must skip."""
    chunk: dict[str, Any] = {
        "id": request.id,
        "object": "text_completion"
        if request.operation == "completions"
        else "chat.completion.chunk",
        "created": int(time.time()),
        "model": answer.trace.model,
        "choices": [],
        "coterie": answer.trace.extension(explain=True),
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _with_extension(body: bytes, answer: Answer, explain: bool) -> bytes:
    """Add our field to a JSON object without parsing it."""
    head = body.rstrip().removesuffix(b"}")
    extension = b'"coterie":' + json.dumps(answer.trace.extension(explain)).encode() + b"}"
    if head.rstrip() == b"{":
        return head + extension
    return head + b"," + extension
