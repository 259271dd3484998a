"""Which request the running task works for: what its log records say of it."""

from contextvars import ContextVar
from typing import NamedTuple


class Current(NamedTuple):
    """A request as log records name it."""

    request_id: str
    trace_id: str | None


CURRENT: ContextVar[Current | None] = ContextVar("coterie_request", default=None)
"""Set where a request comes in; tasks and threads that it starts have it, too."""
