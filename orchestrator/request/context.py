"""What a client asked, as it was understood at the border; it never changes."""

import math
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from experts.types import Request
from orchestrator.config.budget import BudgetConfig
from orchestrator.config.model import DEFAULT_CLASS
from orchestrator.request.tracing.identity import Identity
from routers.base import Decision

CacheUse = Literal["use", "refresh", "skip"]


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The body field `coterie`, less the request class; what is None is as it is configured."""

    explain: bool = False
    tokens: bool | Literal["auto"] = False
    """Tell for every token what happened in a fused expert; `auto`: where one answers that can."""
    progress: Literal["comments", "reasoning"] = "comments"
    router: str | None = None
    aggregator: str | None = None
    experts: int | tuple[str, ...] | None = None
    """How many answer together, or which."""
    budget: BudgetConfig | None = None
    role: str | None = None
    """Which member of a fused expert speaks; the body's chat template settings have it, too."""
    timeout_s: float | None = None
    """Within which the whole answer must be there."""
    cache: CacheUse = "use"
    """What a kept answer is good for: `refresh` asks anew and keeps that, `skip` does neither."""

    @property
    def demands_tokens(self) -> bool:
        """Whether an answer that does not tell of its tokens is not wanted."""
        return self.tokens is True

    @property
    def recomposes(self) -> bool:
        """Whether anything is asked for that only a composition has."""
        return self is not NO_OPTIONS and any(
            value is not None for value in (self.router, self.aggregator, self.experts, self.budget)
        )


NO_OPTIONS = RequestOptions()


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
    as_sent: Request | None = None
    """The request with token ids, where `request` has the text that they say."""
    decision: Decision | None = None
    """What the router has decided about it beforehand, with many others."""
    identity: Identity | None = None
    """The trace that it belongs to, where its client or the configuration has one."""
    route: str = ""
    """The path that it came by over HTTP, with the names of its parameters; empty for others."""
    patient: bool = False
    """Nobody waits for it: it may take whatever time its experts need to be there."""
    timeout_s: float = math.inf
    """From its beginning to the end of its answer; what the configuration and the client allow."""

    def left_s(self) -> float:
        """Seconds of that which are left."""
        return self.timeout_s - (time.perf_counter() - self.started)

    @property
    def for_one(self) -> "RequestContext":
        """What one expert is asked: exactly what was sent."""
        if self.as_sent is None:
            return self
        return replace(self, request=self.as_sent, as_sent=None)

    def told(self, request: Request, span_id: str | None) -> Request:
        """A request to an expert, whose server may be told of the trace that it belongs to."""
        if self.identity is None:
            return request
        return replace(request, trace_headers=self.identity.headers(span_id))

    @property
    def id(self) -> str:
        """The request's id: the client's own, or ours."""
        return self.request.id
