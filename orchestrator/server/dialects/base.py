"""What a response needs of the protocol that its client speaks; one object for each request."""

from collections.abc import Callable
from typing import Protocol

from experts.errors import CoterieError
from orchestrator.request.tracing.presentation import Told
from orchestrator.server.bodies.answers import ErrorBody

TellTold = Callable[[], Told]
"""Makes our own field `coterie`, as far as it is known by then."""


class Dialect(Protocol):
    """Words one answer. The pipeline's own words are those of OpenAI's chats and completions."""

    def whole(self, content: bytes, told: TellTold) -> bytes:
        """An answer that is not streamed, with our own field in it."""
        ...

    def opening(self, told: TellTold) -> bytes:
        """The events before the first piece of a stream."""
        ...

    def piece(self, piece: bytes) -> bytes:
        """Whole events of a stream; what has nothing to say for now is empty."""
        ...

    def closing(self, told: TellTold) -> bytes:
        """The events behind the last piece of a stream that has not broken."""
        ...

    def broken(self, error: CoterieError) -> bytes:
        """The events that end a stream whose status is gone already."""
        ...

    def refusal(self, error: CoterieError) -> ErrorBody:
        """The body of an error, in OpenAI's shape, with places in what the client has sent."""
        ...
