"""What happened to one request: filled in on its way, handed to the sinks once at the end."""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from experts.types import Usage
from orchestrator.request.plan import AskExpert, Plan
from orchestrator.request.tracing.call import Call
from orchestrator.request.tracing.identity import Identity
from orchestrator.request.tracing.said import Said
from routers.base import Decision

AUTHOR = "author"
"""The fact with which an aggregator tells who wrote the answer."""


def _no_counts() -> Counter[str]:
    """A counter; to let it find out that there is nothing to count yet takes five times as long."""
    return Counter.__new__(Counter)


def _choosing() -> str:
    return "choosing an expert"


Outcome = Literal["hit", "miss", "coalesced"]
"""What became of a request whose answer might be there already."""


class AnswerSource(Protocol):
    """Another request, under way or long over, whose answer this one gets."""

    @property
    def expert(self) -> str | None:
        """Who answered it, as far as that is known."""
        ...

    def told(self) -> Mapping[str, Any]:
        """Its field `coterie`, with all that explains it."""
        ...

    def headers(self, *, early: bool) -> Mapping[str, str]:
        """The headers that tell who answered it; `early`: before that one's turn has come."""
        ...


@dataclass(slots=True)
class Trace:
    """The record of one request; times are milliseconds."""

    decision: Decision | None = None
    plan: Plan | None = None
    attempts: int = 0
    made: list[Call] = field(default_factory=list)
    """Every call to an expert, each try by itself."""
    decided: float | None = None
    """When the decision was there; like the times of calls, of `time.perf_counter`."""
    aggregating: float | None = None
    """When a panel began to answer."""
    retried: list[str] = field(default_factory=list)
    """Why each failed attempt failed."""
    retries: Counter[str] = field(default_factory=_no_counts)
    """How often each expert was asked again, after it had failed before its first token."""
    failed: dict[str, str] = field(default_factory=dict)
    """The experts that should have answered in place of this one, each with the code of its error:
    why it could not."""
    missed: list[str] = field(default_factory=list)
    """Why calls failed, after all their attempts, that may succeed in a moment: an answer that came
    all the same may be another one then."""
    slot: str | None = None
    route_ms: float = 0.0
    queue_ms: float = 0.0
    load_ms: float = 0.0
    slot_wait_ms: float = 0.0
    """How long other engines of the slot's process held the answer up."""
    first_byte_ms: float | None = None
    """From the request to the first byte of its answer."""
    total_ms: float | None = None
    status: int | None = None
    """The HTTP status, that of an error in mid-stream included; 499 where the client left."""
    error: str | None = None
    """The code of the error that it ended with, which may have come after a head with 200."""
    usage: dict[str, Usage] = field(default_factory=dict)
    """Tokens by expert, as far as the experts told them."""
    calls: Counter[str] = field(default_factory=_no_counts)
    """How often a panel, or a tagger, asked each expert; the same request again is no new call."""
    budget_spent: Counter[str] = field(default_factory=_no_counts)
    """How often a call was not made, or was stopped, by the bound of the budget that did it."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What an aggregator has told of its work, as plain JSON."""
    said: list[Said] = field(default_factory=list)
    """What each expert of a panel has said; only where an explanation is asked for."""
    cache: Outcome | None = None
    """Whether its answer was kept, or is that of an equal request under way; None where that was
    not looked for."""
    source: AnswerSource | None = None
    """Whose answer it gets; then nothing of what was done for that one is told here."""
    doing: Callable[[], str] = _choosing
    """Tells in a few words what the answer waits for."""

    @property
    def expert(self) -> str | None:
        """Who was asked; None before that is known, and for nobody.

        Of a panel: who wrote the answer, where that was told; else the first that has answered.
        """
        if self.source is not None:
            return self.source.expert
        plan = self.plan
        if plan is None:
            return None
        action = plan.action
        if isinstance(action, AskExpert):
            return action.expert
        if plan.panel is None:
            return plan.expert
        return self._author or plan.expert

    @property
    def has_answered(self) -> bool:
        """Whether it is known that somebody has answered, and who."""
        return self._author is not None

    @property
    def _author(self) -> str | None:
        answered = (name for name, usage in self.usage.items() if usage.completion_tokens)
        told: str | None = self.facts.get(AUTHOR)
        return told or next(answered, None)

    @property
    def fallback(self) -> str | None:
        """Why the router's own choice did not answer: an alarm's action, or an error's code."""
        if self.decision is not None and self.decision.fallback:
            return self.decision.fallback
        if self.failed:
            return next(iter(self.failed.values()))
        return self.plan.fallback if self.plan is not None else None

    @property
    def total_usage(self) -> Usage:
        """Of all calls together."""
        found = [*self.usage.values()]
        return found[0] if len(found) == 1 else sum(found, Usage())

    def begins(self, expert: str, identity: Identity | None) -> Call:
        """Note that the expert is called, with an id of its own where the trace has spans."""
        has_span = identity is not None and identity.sampled and identity.span_id is not None
        call = Call(expert, secrets.token_hex(8) if has_span else None)
        self.made.append(call)
        return call

    def tries_again(self, expert: str, why: str) -> None:
        """Note that the expert is asked once more, after it has failed."""
        self.retried.append(why)
        self.retries[expert] += 1

    def count(self, expert: str, usage: Usage) -> None:
        """Add what a call cost."""
        self.usage[expert] = self.usage.get(expert, Usage()) + usage
