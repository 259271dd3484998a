"""The protocol of an aggregator: it asks experts and turns their answers into one."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from experts.keys import Keys
from experts.prompts import fill, turns, with_system
from experts.types import Chunk, Request


class Ask(Protocol):
    """Asks one expert through the pool; closing the iterator aborts the generation.

    Raises ExpertError, of which BudgetSpent is one. Every call counts in the request's usage.
    """

    deadline: float
    """Time of the event loop's clock after which no expert is waited for, if `quorum` have
    answered."""
    quorum: int
    """Number of answers that are enough once the deadline has passed."""

    def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        """The answer, as it comes; `whole`: nobody reads it before its end.

        It may then come as one chunk, which costs the expert's server much less.
        """
        ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Vectors [len(texts), dimension] of length one; None where there is no encoder."""

    def tell(self, words: str, **facts: Any) -> None:
        """Report progress: `words` for a waiting client, `facts` (plain JSON) for explanations."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The experts that answer one request together."""

    experts: tuple[str, ...]
    """The experts, best first; one may occur more than once."""
    lead: str | None = None
    """The expert that decides or merges the answers; None leaves the choice to the aggregator."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Expert -> predicted quality in 0..1, for the experts that the router scored."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """Expert -> price of a million tokens in USD, for every expert of the pool."""


class Aggregator(Protocol):
    """Turns the answers of a panel into one; it knows nothing of engines or of HTTP.

    `aggregate` yields the answer's text as it becomes known; the last chunk has a finish reason.
    Raises ExpertError where no expert answers.

    One that may ask otherwise than each of the panel once also has a method
    `most_calls(panel) -> Counter`, so that it can be planned with: see the function of that name.
    """

    def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]: ...


def most_calls(aggregator: Aggregator, panel: Panel) -> Counter[str]:
    """How often each expert is asked for one answer, at most, retries left out. Pure."""
    own: Callable[[Panel], Counter[str]] | None = getattr(aggregator, "most_calls", None)
    return Counter(panel.experts) if own is None else own(panel)


class AggregatorConfig(Keys):
    """The keys under `aggregators.NAME`; each `Config` adds its own and a literal `type`."""

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Mistakes that can only be seen with the pool's expert names, as `key: what is wrong`.

        By default: keys that name experts must name experts of the pool.
        """
        return tuple(
            f"{key}: no expert is called `{name}` (known: {', '.join(experts)})."
            for key, named in self.named().items()
            for name in named
            if name not in experts
        )

    def named(self) -> dict[str, tuple[str, ...]]:
        """The experts that are named by each key."""
        return {}


def with_question(request: Request, text: str, **fields: Any) -> Request:
    """The request with another question in place of its last user message, or its prompt.

    `fields` are set in its body; a field that is None is removed.
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


def with_prompt(request: Request, template: str, **values: str) -> Request:
    """The request with the messages of a prompt in place of its last user message.

    A completion, which has no messages, gets all of it as one text. Messages of the system become
    part of the one that is there.
    """
    said = [(turn.role, fill(turn.text, **values)) for turn in turns(template)]
    if request.operation == "completions" or len(said) == 1:
        return with_question(request, "\n\n".join(text for _, text in said))
    messages = [dict(message) for message in request.body.get("messages") or []]
    places = [n for n, message in enumerate(messages) if message.get("role") == "user"]
    place = places[-1] if places else len(messages)
    messages[place : place + 1] = [
        {"role": role, "content": text} for role, text in said if role != "system"
    ]
    system = [text for role, text in said if role == "system"]
    whole = with_system(messages, "\n\n".join(system), first=False) if system else messages
    return replace(request, body={**request.body, "messages": whole})


def standalone_question(request: Request, text: str, **fields: Any) -> Request:
    """A question about the request, without the request's conversation, stops or schema."""
    return Request(
        request.id,
        "chat/completions",
        {"messages": [{"role": "user", "content": text}], **fields},
    )


def with_logprobs(request: Request) -> Request:
    """The request, changed so that its answer has the log-probability of each token."""
    wanted: Any = 0 if request.operation == "completions" else True
    return replace(request, body={**request.body, "logprobs": wanted})
