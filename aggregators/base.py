"""The protocol of an aggregator: it asks experts, and turns what they say into one answer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from experts.types import Chunk, Request


class Ask(Protocol):
    """Asks one expert, through the pool; closing the iterator aborts the generation.

    Raises ExpertError, BudgetSpent among them. Every call counts in the request's usage.
    """

    deadline: float
    """Time of the event loop's clock after which nobody is waited for, if `quorum` answered."""
    quorum: int

    def __call__(self, expert: str, request: Request) -> AsyncIterator[Chunk]: ...

    def tell(self, words: str, **facts: Any) -> None:
        """Progress: `words` for who waits, `facts` (plain JSON) for who asks why."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Who answers together."""

    experts: tuple[str, ...]
    """Best first; one may come more than once."""
    lead: str | None = None
    """Who decides, or puts the answers together; None: the aggregator knows."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Predicted quality in 0..1 of those the router scored."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """Of a million tokens, in USD, of every expert of the pool."""


class Aggregator(Protocol):
    """Knows nothing of engines: whom it asks is given, and how.

    `aggregate` yields the answer's text as it becomes known; the last chunk has a finish reason.
    Raises ExpertError where nobody answers.
    """

    def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]: ...


class AggregatorConfig(BaseModel):
    """The keys under `aggregators.NAME`; each `Config` adds its own and a literal `type`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Mistakes that only show beside the pool's expert names, as `key: what is wrong`.

        Here: the keys that name experts must name those of the pool.
        """
        return tuple(
            f"{key}: no expert is called `{name}` (known: {', '.join(experts)})."
            for key, named in self.named().items()
            for name in named
            if name not in experts
        )

    def named(self) -> dict[str, tuple[str, ...]]:
        """The experts that keys name, by key."""
        return {}


def with_question(request: Request, text: str, **fields: Any) -> Request:
    """The request with another question: the last user message, or the prompt, is replaced.

    `fields` go into its body; what is None there comes out of it.
    """
    body = {**request.body, **fields}
    body = {key: value for key, value in body.items() if value is not None or key not in fields}
    if request.operation == "completions":
        return replace(request, body={**body, "prompt": text})
    messages = [dict(message) for message in body.get("messages") or []]
    for message in reversed(messages):
        if message.get("role") == "user":
            message["content"] = text
            break
    else:
        messages.append({"role": "user", "content": text})
    return replace(request, body={**body, "messages": messages})


def standalone_question(request: Request, text: str, **fields: Any) -> Request:
    """A question of our own about the request: without its conversation, stops or schema."""
    return Request(
        request.id,
        "chat/completions",
        {"messages": [{"role": "user", "content": text}], **fields},
    )


def with_logprobs(request: Request) -> Request:
    """The request whose answer tells the probability of each of its tokens."""
    wanted: Any = 0 if request.operation == "completions" else True
    return replace(request, body={**request.body, "logprobs": wanted})
