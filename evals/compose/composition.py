"""A composition that can be replayed: who may answer, who orders them, and what is made of it."""

from dataclasses import dataclass
from typing import Literal

MEANS = "means"
"""Order of a router with `trust: 0`: by each expert's overall mean, whatever the question."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a question's experts are ordered: a type of router, its keys, and how far it is trusted.

    Each router is fitted once for its type and keys; `trust` is applied to what it predicts.
    """

    router: str
    keys: tuple[tuple[str, float | int | str], ...] = ()
    trust: float = 1.0

    @property
    def fit(self) -> "Order":
        """What has to be fitted for it."""
        return Order(self.router, self.keys)

    def __str__(self) -> str:
        if self.router == MEANS:
            return "best first"
        told = "".join(f", {key} {value}" for key, value in self.keys)
        return f"{self.router}{told}{f', trust {self.trust:g}' if self.trust < 1 else ''}"


@dataclass(frozen=True, slots=True)
class Alone:
    """The first expert answers; below a weight of 1 a cheaper one may (`quality_weight`)."""

    quality_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Votes:
    """The first `experts` vote: all at once, or one after the other until it is clear."""

    experts: int
    weights: Literal["equal", "router"] = "equal"
    stop_at: float | None = None


@dataclass(frozen=True, slots=True)
class Escalates:
    """One answers, or two that must agree, or `experts` vote: the aggregator `strategy`."""

    experts: int
    single_at: float
    verify_at: float


Way = Alone | Votes | Escalates


@dataclass(frozen=True, slots=True)
class Composition:
    """One row of the search."""

    experts: tuple[str, ...]
    """Who may be asked, in the order of the matrix."""
    order: Order
    way: Way

    @property
    def single(self) -> bool:
        """Whether it is one expert and nothing else."""
        return len(self.experts) == 1

    def __str__(self) -> str:
        if self.single:
            return self.experts[0]
        return f"{_way(self.way, len(self.experts))} ({self.order}; of {len(self.experts)})"


def _way(way: Way, count: int) -> str:
    if isinstance(way, Alone):
        price = f", quality weight {way.quality_weight:g}" if way.quality_weight < 1 else ""
        return f"one by router{price}"
    if isinstance(way, Escalates):
        return f"1, 2 or {way.experts} from {way.single_at:g} and {way.verify_at:g}"
    weighted = "weighted " if way.weights == "router" else ""
    if way.stop_at is None:
        return f"{weighted}vote of {way.experts if way.experts < count else 'all'}"
    return f"{weighted}vote of up to {way.experts}, clear at {way.stop_at:g}"
