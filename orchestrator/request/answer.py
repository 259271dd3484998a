"""An answer that has begun, as the pipeline hands it to the server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


class Held(Protocol):
    """What an answer holds: an `AsyncExitStack`, or less."""

    async def aclose(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True, slots=True)
class StartedAnswer:
    """The first bytes of an answer are here, the rest follows.

    For a request without `stream`, `first` is the whole body. Leaving the context aborts what is
    unfinished and gives back what is held, leases among it.
    """

    content_type: str
    first: bytes
    rest: AsyncIterator[bytes]
    held: Held | None = None
    """What leaving gives back, where that is anything."""

    async def __aenter__(self) -> "StartedAnswer":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.held is not None:
            await self.held.aclose()


class _NoBytes:
    """Nothing, as often as it is asked for."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


NO_BYTES: AsyncIterator[bytes] = _NoBytes()
"""The rest of an answer that was whole at once."""
