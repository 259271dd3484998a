"""The protocol of whatever runs an expert: one verb, `stream`."""

from collections.abc import AsyncGenerator
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
    """Collect a stream into one completion."""
    text: list[str] = []
    finish_reason: str | None = None
    usage = Usage()
    async for chunk in engine.stream(request):
        text.append(chunk.text)
        finish_reason = chunk.finish_reason or finish_reason
        usage = chunk.usage or usage
    return Completion(engine.name, "".join(text), finish_reason, usage)
