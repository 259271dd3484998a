"""An answer that has begun, as the pipeline hands it to the server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartedAnswer:
    """The first bytes of an answer are here, the rest follows.

    For a request without `stream`, `first` is the whole body. Leaving the context aborts what is
    unfinished and gives back what is held, leases among it.
    """

    content_type: str
    first: bytes
    rest: AsyncIterator[bytes]
    held: AsyncExitStack
    """What leaving gives back."""

    async def __aenter__(self) -> "StartedAnswer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.held.aclose()


async def no_bytes() -> AsyncIterator[bytes]:
    """The rest of an answer that was whole at once."""
    for _ in ():
        yield b""
