"""The protocol of whatever answers for an expert: one verb, `open`; `stream` is built on it."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from experts.errors import ExpertLost
from experts.sse import DONE, events
from experts.types import Chunk, Completion, Request, Usage
from experts.upstream.answers import EVENT_STREAM, choices_of, parse_chunk, whole_chunk

USAGE_WANTED: Mapping[str, Any] = {"include_usage": True}
"""What a streamed request has in `stream_options` to have its tokens counted."""


class Pieces(Protocol):
    """The bytes of a body as they arrive; an async generator is one."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def __anext__(self) -> Awaitable[bytes]: ...

    def aclose(self) -> Awaitable[None]:
        """Want no more of them."""
        ...


@dataclass(slots=True)
class Answer:
    """An answer that has begun: what it is, and its bytes as they arrive.

    `pieces` are the body of one JSON object, or server-sent events cut anywhere, in OpenAI's
    format either way. An answer must be closed; that aborts what has not been generated yet.
    """

    content_type: str
    pieces: Pieces
    on_close: Callable[[], Awaitable[None]] | None = None
    slot_wait_ms: float = 0.0
    """How long other engines of the slot's process held it up."""
    secrets: tuple[str, ...] = ()
    """What must not be told of it: its server may quote the key it was asked with."""

    async def aclose(self) -> None:
        """End the answer, and let go of what it holds."""
        try:
            await self.pieces.aclose()
        finally:
            if self.on_close is not None:
                await self.on_close()


class Engine(Protocol):
    """Answers for one expert: a slot of ours, somebody else's server, a recording, a plug-in.

    Whatever goes wrong is raised as `ExpertError`, by `open` or while `pieces` are read.
    """

    name: str
    """The expert's."""

    async def open(self, request: Request, asked_model: str) -> Answer:
        """Begin to answer; `asked_model` is the name that the answer shall carry as its model."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What an expert's server says to a call that generates nothing."""

    status: int
    content_type: str
    content: bytes


@runtime_checkable
class HasEndpoints(Protocol):
    """An engine whose server offers more than answers: `/tokenize`, `/version` and the like."""

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        """What the server says, a refusal of the call included. Raises ExpertError for others."""
        ...


def _unnoticed(answer: Answer) -> None:
    """Nobody wants to know."""


async def stream(
    engine: Engine, request: Request, opened: Callable[[Answer], None] = _unnoticed
) -> AsyncGenerator[Chunk, None]:
    """The answer as text, piece by piece; closing the iterator aborts the generation.

    `opened` is called with the answer when it has begun. Raises ExpertError: BadOutput for what is
    not OpenAI's format, ExpertLost where it ends early.
    """
    body = {**request.body, "stream": True, "stream_options": dict(USAGE_WANTED)}
    finished, count = False, choices_of(body)
    async with aclosing(await engine.open(replace(request, body=body), engine.name)) as answer:
        opened(answer)
        if not answer.content_type.startswith(EVENT_STREAM):
            # Some servers do not stream; the answer is one all the same.
            yield await _only_chunk(engine, answer, count)
            return
        async for data in events(engine.name, answer.pieces):
            if data.strip() == DONE:
                return
            chunk = parse_chunk(engine.name, data, answer.secrets, count)
            finished = finished or chunk.finish_reason is not None
            yield chunk
    if not finished:
        raise ExpertLost(f"Expert {engine.name} broke off its answer.", expert=engine.name)


async def whole(
    engine: Engine, request: Request, opened: Callable[[Answer], None] = _unnoticed
) -> AsyncGenerator[Chunk, None]:
    """The same answer as one chunk: its server sends it once, and not every token by itself.

    `opened` and errors are as those of `stream`.
    """
    body = {k: v for k, v in request.body.items() if k not in ("stream", "stream_options")}
    async with aclosing(await engine.open(replace(request, body=body), engine.name)) as answer:
        opened(answer)
        only = await _only_chunk(engine, answer, choices_of(body))
    yield only


async def _only_chunk(engine: Engine, answer: Answer, count: int) -> Chunk:
    sent = (answer.content_type, answer.pieces, answer.secrets, count)
    return await whole_chunk(engine.name, *sent)


async def complete(engine: Engine, request: Request) -> Completion:
    """One whole answer."""
    return await collect(engine.name, stream(engine, request))


async def collect(expert: str, chunks: AsyncIterator[Chunk]) -> Completion:
    """The pieces of an answer as one; what is not Unicode text in it is replaced."""
    text: list[str] = []
    logprobs: list[float] = []
    finish_reason: str | None = None
    usage = Usage()
    async for chunk in chunks:
        text.append(chunk.text)
        logprobs += chunk.logprobs
        finish_reason = chunk.finish_reason or finish_reason
        usage = chunk.usage or usage
    # A server may escape half a surrogate pair in its JSON, which no other server would accept.
    whole = "".join(text).encode("utf-8", "replace").decode()
    return Completion(expert, whole, finish_reason, usage, tuple(logprobs))
