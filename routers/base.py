"""The protocol of a router: it scores the experts for a batch of requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from experts.keys import Keys
from experts.types import Request


@dataclass(frozen=True, slots=True)
class Decision:
    """A router's decision on one request.

    `scores` holds (expert, predicted quality in 0..1), best first, ties in a documented order.
    `reason` is a sentence for people; `evidence` is what the sentence rests on, as plain JSON.
    `role` is the role in which a fused expert answers; None leaves it to the expert's default.
    `panel` are the experts recruited to answer together, possibly one more than once, and `lead` is
    the expert that merges their answers best (the aggregator of Symbolic-MoE), where it is known.
    `fallback` is what to do after the router's coverage guard has raised an alarm: `general` is the
    expert that decides then, if there is one, and `message` the answer where no expert answers.
    """

    router: str
    scores: tuple[tuple[str, float], ...]
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    role: str | None = None
    panel: tuple[str, ...] = ()
    lead: str | None = None
    fallback: Literal["general", "second", "abstain"] | None = None
    general: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Tagging:
    """How an expert is asked for the skills of a question before the router sees the question."""

    expert: str
    prompt: str
    """With the field {question}."""
    samples: int
    temperature: float
    max_tokens: int


class Router(Protocol):
    """Scores experts, many requests at once. Pure: no I/O, no clock; randomness comes from a seed.

    `route` returns one decision per request, in order, and names only experts it was given.
    It may take milliseconds of CPU time, so callers on an event loop run it in a thread. A router
    that needs `Request.keywords` has a `Tagging` in its attribute `tagging`.
    """

    name: str

    def route(self, requests: Sequence[Request]) -> list[Decision]: ...


class RouterConfig(Keys):
    """The keys under `routers.NAME`; each router's `Config` adds its own and a literal `type`."""

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Mistakes that can only be seen with the pool's expert names, as `key: what is wrong`.

        Reads no files: a configuration must be valid before a profile run has written any.
        """
        return ()

    def most_named(self, experts: Sequence[str]) -> int:
        """How many experts of the pool one decision may name."""
        return len(experts)


class Encoder(Protocol):
    """Turns texts into unit vectors whose dot product is their similarity.

    It is defined here, not beside its implementation in `features.py`, so that a router can name
    it without importing torch.
    """

    name: str
    """Vectors of encoders with equal names may be compared."""

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), dimension], each row of length one. Safe to call from threads."""
        ...


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that can be told the tokens to read, so that nothing is cut off silently."""

    window: int
    """The most tokens that it reads at once, with those that begin and end a text."""

    @property
    def vocabulary(self) -> int:
        """Its token ids are those below this number."""
        ...

    @property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that begin a text, and those that end it."""
        ...

    def token_ids(self, text: str, at_most: int) -> list[int]:
        """The first ids of a text, without a frame."""
        ...

    def encode_ids(self, windows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Float32 [len(windows), dimension], rows of length one; the ids are read as they are."""
        ...
