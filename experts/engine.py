"""The protocol of whatever runs an expert: one verb, `stream`."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from experts.types import Chunk, Completion, Request, Usage


class Engine(Protocol):
    """Runs one expert.

    `stream` yields text as it is generated; closing the iterator aborts the generation.
    Errors are raised as `ExpertError`, never yielded.
    """

    name: str

    def stream(self, request: Request) -> AsyncGenerator[Chunk, None]: ...


async def complete(engine: Engine, request: Request) -> Completion:
    """One whole answer."""
    return await collect(engine.name, engine.stream(request))


async def collect(expert: str, chunks: AsyncIterator[Chunk]) -> Completion:
    """The pieces of an answer as one; what is no Unicode text in it is replaced."""
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
