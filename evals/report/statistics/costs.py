"""What subjects cost: calls, tokens, price, seconds, loads; and the frontier of quality. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evals.runs.record import LoadEvent, Row


@dataclass(frozen=True, slots=True)
class Costs:
    """Sums over answers; those of the cache count as if they had been asked."""

    answers: int
    failed: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    price_usd: float
    seconds: float
    """Of the longest chains of calls, under the load of the run that asked."""
    experts: int
    """Different experts that were called."""
    loads: int
    """Of these experts in this run; subjects share them."""

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.prompt_tokens + self.completion_tokens

    def per_answer(self, total: float) -> float:
        """A sum as a mean."""
        return total / self.answers if self.answers else 0.0


def costs(rows: Sequence[Row], loads: Iterable[LoadEvent]) -> Costs:
    """Add up the rows of a subject."""
    called = {expert for row in rows for expert, count in row.calls.items() if count}
    return Costs(
        answers=len(rows),
        failed=sum(row.error is not None for row in rows),
        calls=sum(sum(row.calls.values()) for row in rows),
        prompt_tokens=sum(one.prompt for row in rows for one in row.tokens.values()),
        completion_tokens=sum(one.completion for row in rows for one in row.tokens.values()),
        price_usd=sum(row.price_usd for row in rows),
        seconds=sum(row.seconds for row in rows),
        experts=len(called),
        loads=sum(load.expert in called for load in loads),
    )


@dataclass(frozen=True, slots=True)
class Point:
    """A subject's quality at its price; `best` where no other is as good for less."""

    subject: str
    price: float
    quality: float
    best: bool


def frontier(points: Iterable[tuple[str, float, float]]) -> list[Point]:
    """Mark the points (name, price, quality) that no other point beats on both counts."""
    given = sorted(points, key=lambda point: (point[1], -point[2], point[0]))
    found, most = [], float("-inf")
    for name, price, quality in given:
        found.append(Point(name, price, quality, quality > most))
        most = max(most, quality)
    return found
