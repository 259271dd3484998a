"""Who of those that get one answer is charged for it: the first of them that stays."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.presentation import early_headers, extension, headers
from orchestrator.request.tracing.trace import Trace

_ONES_OWN = frozenset({"first_byte_ms", "total_ms", "status", "error", "cache", "source", "doing"})
"""What a trace says of its own request, whoever did the work."""
_OF_THE_REQUEST = frozenset(
    {"x-request-id", "x-coterie-model", "x-coterie-class", "x-coterie-cache"}
)


@dataclass(frozen=True, slots=True)
class LiveSource:
    """A request under way, whose answer others get, too."""

    asked: RequestContext
    work: Trace

    @property
    def expert(self) -> str | None:
        """Who answers, as far as that is known."""
        return self.work.expert

    def told(self) -> Mapping[str, Any]:
        """All that explains it by now."""
        options = replace(self.asked.options, explain=True)
        return extension(replace(self.asked, options=options), self.work)

    def headers(self, *, early: bool) -> Mapping[str, str]:
        """Those that tell who answers."""
        found = early_headers if early else headers
        told = found(self.asked, self.work).items()
        return {name: value for name, value in told if name not in _OF_THE_REQUEST}


def adopt(trace: Trace, work: Trace) -> None:
    """Let a request account for the work that was done for it and for others."""
    for field in fields(Trace):
        if field.name not in _ONES_OWN:
            setattr(trace, field.name, getattr(work, field.name))
    trace.source = None
