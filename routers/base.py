"""The protocol of a router: it scores the experts for a batch of requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from experts.types import Request


@dataclass(frozen=True, slots=True)
class Decision:
    """What a router thinks of one request.

    `scores` holds (expert, predicted quality in 0..1), best first, ties in a documented order.
    `reason` is a sentence for people; `evidence` is what the sentence rests on, as plain JSON.
    `role` is the one in which a fused expert is to answer; None leaves it to its default.
    `panel` are experts that were recruited to answer together, one perhaps more than once, and
    `lead` is who can put their answers together best, where that is known.
    `fallback` says what to do where the router's coverage guard has raised an alarm: `general` is
    who decides then, if anybody, and `message` what is said where nobody answers.
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
    """How an expert is asked for the skills of a question before a router sees it."""

    expert: str
    prompt: str
    """With the field {question}."""
    samples: int
    temperature: float
    max_tokens: int


class Router(Protocol):
    """Scores experts. Batch first, pure: no I/O, no clock; randomness is seeded by the request.

    `route` returns one decision per request, in order, and names only experts it was given.
    It may take milliseconds of CPU: callers on an event loop run it in a thread. A router that
    wants `Request.keywords` has a `Tagging` in an attribute `tagging`.
    """

    name: str

    def route(self, requests: Sequence[Request]) -> list[Decision]: ...


class RouterConfig(BaseModel):
    """The keys under `routers.NAME`; each router's `Config` adds its own and a literal `type`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Mistakes that only show beside the pool's expert names, as `key: what is wrong`.

        Reads no files: the configuration must load before a profile run has written any.
        """
        return ()


class Encoder(Protocol):
    """Turns texts into unit vectors whose dot product is their similarity.

    It stands here, and not beside its implementation in `features.py`, so that a router can
    name it without importing torch.
    """

    name: str
    """Vectors of encoders with equal names may be compared."""

    dimension: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), dimension], each row of length one. Safe to call from threads."""
        ...
