"""One try to get an answer of an expert: its turn, its load, its first bytes, its end."""

import time
from asyncio import CancelledError
from dataclasses import dataclass, field

from experts.errors import CoterieError
from experts.types import Usage

CANCELLED = "cancelled"
"""What a call ends with whose answer nobody wants any more."""


@dataclass(slots=True)
class Call:
    """Times are those of `time.perf_counter`."""

    expert: str
    span_id: str | None = None
    """By which the expert's server knows it, where it was told."""
    began: float = field(default_factory=time.perf_counter)
    sent: float | None = None
    """When its turn had come, and the expert was there; None where it never was."""
    first: float | None = None
    """When the first bytes of the answer were here."""
    ended: float | None = None
    queue_ms: float = 0.0
    load_ms: float = 0.0
    slot: str | None = None
    usage: Usage | None = None
    error: str | None = None
    """The code of the error that it ended with."""

    def leased(self, queue_ms: float, load_ms: float, slot: str | None) -> None:
        """Its turn has come, and the expert is there."""
        self.sent = time.perf_counter()
        self.queue_ms, self.load_ms, self.slot = queue_ms, load_ms, slot

    def started(self) -> None:
        """The first bytes are here."""
        self.first = time.perf_counter()

    def end(self, error: str | None = None) -> None:
        """It is over; the first to say so is right."""
        if self.ended is None:
            self.ended = time.perf_counter()
            self.error = error
            if self.sent is None:
                self.queue_ms = 1000 * (self.ended - self.began)


def code_of(error: BaseException) -> str:
    """The stable name of what ended a call."""
    if isinstance(error, CoterieError):
        return error.code
    return CANCELLED if isinstance(error, CancelledError | GeneratorExit) else "internal_error"
