"""What a client asked, as it was understood at the border; it never changes."""

import time
from dataclasses import dataclass, field

from experts.types import Request
from orchestrator.config.model import DEFAULT_CLASS
from orchestrator.request.options import NO_OPTIONS, RequestOptions


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request of a client, with everything about it that is not in its body."""

    request: Request
    model: str
    """The name that was asked for: an expert's, or a composition's."""
    request_class: str = DEFAULT_CLASS
    options: RequestOptions = NO_OPTIONS
    api_key_name: str | None = None
    """Of the key that it came with, where keys are configured."""
    started: float = field(default_factory=time.perf_counter)
    """When it came in, on the clock of `time.perf_counter`."""

    @property
    def id(self) -> str:
        """The request's id: the client's own, or ours."""
        return self.request.id
