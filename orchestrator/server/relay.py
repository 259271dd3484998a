"""Sends an answer to the client, worded as its protocol has it: OpenAI's bytes untouched."""

import asyncio
import logging
import time
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from experts.errors import CoterieError, InternalError
from orchestrator.request.answer import StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.presentation import Told, early_headers, extension, headers
from orchestrator.request.tracing.trace import Trace
from orchestrator.server.context import Context, mark_traced
from orchestrator.server.dialects.base import Dialect
from orchestrator.server.dialects.openai import OpenAIDialect
from orchestrator.server.errors import (
    CLIENT_LEFT,
    FAREWELL_S,
    response_start,
    send_error,
    service_stopping,
    status_of,
)
from orchestrator.server.waiting import WaitNotes
from orchestrator.server.wire.exchange import watch_departure

LOGGER = logging.getLogger("coterie.server")
EVENT_STREAM = "text/event-stream"
STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Relay(Response):
    """An ASGI response that runs the pipeline while it is sent; a client that leaves aborts it."""

    def __init__(
        self, context: Context, asked: RequestContext, dialect: Dialect | None = None
    ) -> None:
        """`dialect` words the answer; by default as OpenAI's chats and completions."""
        # Not what a response is made of by itself: its head and body come later.
        self._server = context
        self._asked = asked
        self._dialect = dialect or OpenAIDialect(asked)
        self._trace = Trace()
        self._client_left = False
        self._head_sent = False
        self._told_early: dict[str, str] = {}
        self._complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.current_task()
        assert work is not None
        unwatch = watch_departure(scope, receive, partial(self._abort, work))
        mark_traced(scope, self._trace)

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                unwatch()  # After the last byte, the connection may be reported as gone.
                self._complete = True
            await send(message)
            self._head_sent = True

        try:
            await self._run(sender)
        except asyncio.CancelledError:
            if not self._client_left:
                raise  # The server stops: the client has been told.
            work.uncancel()
        finally:
            unwatch()

    async def _run(self, send: Send) -> None:
        trace = self._trace
        trace.status = CLIENT_LEFT
        # A whole answer has no place for them.
        notes = self._begin_notes(send) if self._asked.request.stream else None
        try:
            async with await self._server.answer(self._asked, trace) as answer:
                if notes is not None:
                    await notes.end()
                trace.first_byte_ms = self._elapsed_ms()
                told = notes is not None and notes.head_sent
                trace.status = await self._send(answer, send, told)
        except asyncio.CancelledError:
            if not self._client_left:
                await self._say_farewell(notes, send)
            raise
        except Exception as error:
            ours = self._ours(error)
            trace.status = status_of(ours)
            if notes is not None:
                await notes.end()
            await self._tell(ours, send)
        finally:
            if notes is not None:
                notes.stop()
            trace.total_ms = self._elapsed_ms()
            self._server.telemetry.write(self._asked, trace)

    def _begin_notes(self, send: Send) -> WaitNotes:
        settings = self._server.config.server
        notes = WaitNotes(send, self._early_head, self._doing, settings.comment_interval_s)
        if settings.comment_after_s is not None:
            notes.begin(settings.comment_after_s)
        return notes

    def _ours(self, error: Exception) -> CoterieError:
        """The error that the client is told; a fault of ours is logged with its traceback."""
        if not isinstance(error, CoterieError):
            LOGGER.error("request %s failed", self._asked.id, exc_info=error)
            error = InternalError("The server failed to answer; its log says why.")
        self._trace.error = error.code
        return error

    async def _tell(self, error: CoterieError, send: Send) -> None:
        """The error, in the way that is left for it; a complete answer has none."""
        if self._complete:
            return
        if self._head_sent:
            await self._break(error, send)
        else:
            await send_error(error, self._asked.id, send, self._dialect.refusal(error))

    async def _say_farewell(self, notes: WaitNotes | None, send: Send) -> None:
        """The service stops: end the answer in the way that its client understands."""
        if self._complete:
            return
        error = service_stopping()
        self._trace.error, self._trace.status = error.code, status_of(error)
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                if notes is not None:
                    await notes.end()
                await self._tell(error, send)

    def _abort(self, work: "asyncio.Task[Any]") -> None:
        """The client has left: nobody wants the answer."""
        self._client_left = True
        work.cancel()

    def _elapsed_ms(self) -> float:
        return 1000 * (time.perf_counter() - self._asked.started)

    def _early_head(self) -> Message:
        kind = {"content-type": f"{EVENT_STREAM}; charset=utf-8", **STREAM_HEADERS}
        self._told_early = early_headers(self._asked, self._trace)
        return response_start(200, self._told_early | kind)

    def _doing(self) -> str:
        return self._trace.doing()

    async def _send(self, answer: StartedAnswer, send: Send, head_sent: bool) -> int:
        """Send the answer; the status that it is counted with, which may have come too late."""
        streaming = head_sent or answer.content_type.startswith(EVENT_STREAM)
        first = answer.first
        if streaming:
            first = self._dialect.opening(self._told) + self._dialect.piece(first)
        else:
            first = self._dialect.whole(first, self._told)
        if not head_sent:
            head = headers(self._asked, self._trace)
            head["content-type"] = answer.content_type
            if streaming:
                head |= STREAM_HEADERS
            else:
                head["content-length"] = str(len(first))
            await send(response_start(200, head))
        else:
            first = self._belated() + first
        await send({"type": "http.response.body", "body": first, "more_body": streaming})
        if not streaming:
            return 200
        try:
            async for piece in answer.rest:
                if worded := self._dialect.piece(piece):
                    await send({"type": "http.response.body", "body": worded, "more_body": True})
        except Exception as error:
            ours = self._ours(error)
            await self._break(ours, send)
            return status_of(ours)
        last = self._dialect.closing(self._told)
        await send({"type": "http.response.body", "body": last, "more_body": False})
        return 200

    def _belated(self) -> bytes:
        """The headers that were not known when the head went out, or were others, as comments."""
        told, early = headers(self._asked, self._trace).items(), self._told_early
        lines = [f": {name} {value}\n" for name, value in told if early.get(name) != value]
        return ("".join(lines) + "\n").encode("latin-1")

    def _told(self) -> Told:
        return extension(self._asked, self._trace)

    async def _break(self, error: CoterieError, send: Send) -> None:
        """End a stream whose status is gone already."""
        body = self._dialect.broken(error)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
