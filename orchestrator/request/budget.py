"""Keeps the answer of a panel within its budget of calls, tokens and seconds."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experts.errors import BudgetSpent
from experts.types import Chunk, Request
from orchestrator.config.budget import BudgetConfig

_LIMITS = ("max_completion_tokens", "max_tokens")


class Ledger:
    """What the answer of a panel has spent of its budget.

    Tokens are counted as they arrive: each piece of text, which has one or more, as one, and when
    the call ends, as many as its engine counted.
    """

    def __init__(self, budget: BudgetConfig, started: float) -> None:
        """`started` is a time of the clock on which `ends` is to be read."""
        self.budget = budget
        self.started = started
        self.ends = started + budget.seconds
        self.calls = 0
        self.tokens = 0
        self.hits: Counter[str] = Counter()
        """How often each bound has stopped a call."""
        self._set_aside = 0

    def call(self, expert: str, request: Request) -> Request:
        """The request, with no more tokens than are left. Raises BudgetSpent where none are."""
        if self.calls >= self.budget.calls:
            raise self.spent(expert, "calls")
        left = self.budget.tokens - self.tokens
        if left <= 0:
            raise self.spent(expert, "tokens")
        self.calls += 1
        return replace(request, body=_limited(request.body, left))

    def set_aside(self, request: Request) -> int:
        """Tokens for a call that nothing stops on its way, until `put_back`.

        0 where it has no limit of its own, or might need more than are left.
        """
        limits = [request.body[name] for name in _LIMITS if request.body.get(name) is not None]
        most = min(limits, default=0)
        if most > self.budget.tokens - self.tokens - self._set_aside:
            return 0
        self._set_aside += most
        return int(most)

    def put_back(self, tokens: int) -> None:
        """The call for which they were set aside is over."""
        self._set_aside -= tokens

    def arrived(self, expert: str, chunk: Chunk) -> None:
        """Count a piece of text. Raises BudgetSpent when it was one too many."""
        if chunk.text:
            self.tokens += 1
            if self.tokens > self.budget.tokens:
                raise self.spent(expert, "tokens")

    def counted(self, pieces: int, tokens: int) -> None:
        """A call of so many pieces has ended, and had so many tokens."""
        self.tokens += max(0, tokens - pieces)

    def spent(self, expert: str, bound: str) -> BudgetSpent:
        """The error of a call that is not made, or is stopped, because of this bound."""
        self.hits[bound] += 1
        most = getattr(self.budget, bound)
        return BudgetSpent(
            f"{expert} was stopped: this answer may cost {most:g} {bound}.",
            expert=expert,
            budget=bound,
        )


def _limited(body: Mapping[str, Any], left: int) -> dict[str, Any]:
    """Only lowers a limit that is there: an engine refuses one that its context cannot hold."""
    lowered = {name: min(body[name], left) for name in _LIMITS if isinstance(body.get(name), int)}
    return {**body, **lowered}
