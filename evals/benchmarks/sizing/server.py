"""How a slot serves calls that differ. Pure.

Engines take turns: a step of one writes a token of each of its calls, while the others stand still.
So a call goes as fast as alone, divided by how many engines are at work; and slower still where its
own engine has so many calls that they no longer fit into a step that is as short as alone.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from evals.benchmarks.simulation.service import InUse
from evals.benchmarks.sizing.speeds import Needs
from orchestrator.residency.machine.state import Ticket

_ROUNDING = 1e-9
"""Of a call's work."""


@dataclass(slots=True)
class _Running:
    alone_s: float
    share: float
    """Of its engine's time as long as that does nothing else."""
    engine: str
    ticket: Ticket
    left: float = 1.0
    """The share of its work that is still to do."""


class CallServer:
    """Lets the engines of a slot take turns, and the calls of an engine share them."""

    __slots__ = ("_at", "_needs", "_slower", "blocked", "in_use", "look_at", "scheduled")

    def __init__(self, needs: Sequence[Needs]) -> None:
        """`needs`: of every call, by the number that its ticket's holder is."""
        self.in_use: list[_Running] = []
        self.blocked = False
        self.scheduled = False
        self.look_at = math.inf
        """When the driver will look here next."""
        self._needs = needs
        self._at = 0.0
        self._slower: dict[str, float] = {}
        """Engine -> how many times as long as alone its calls take now."""

    def begin(self, ticket: Ticket, now: float) -> None:
        """A call begins."""
        self._advance(now)
        assert ticket.replica is not None, "it has no place"
        one, engine = self._needs[ticket.holder], ticket.replica.engine.name
        self.in_use.append(_Running(one.alone_s, one.work_s / one.alone_s, engine, ticket))
        self._share_out()

    def block(self, blocked: bool, now: float) -> None:
        """Stand still, or go on."""
        self._advance(now)
        self.blocked = blocked

    def take_done(self, now: float) -> list[InUse]:
        """Those that are done by now."""
        self._advance(now)
        done = [one for one in self.in_use if one.left <= _ROUNDING]
        if done:
            self.in_use = [one for one in self.in_use if one.left > _ROUNDING]
            self._share_out()
        return [(now, one.ticket) for one in done]

    def next_at(self) -> float:
        """When the next call is done if no other begins; infinite if none will be."""
        if self.blocked or not self.in_use:
            return math.inf
        slower = self._slower
        return self._at + min(
            max(one.left, 0.0) * one.alone_s * slower[one.engine] for one in self.in_use
        )

    def _share_out(self) -> None:
        shares: defaultdict[str, float] = defaultdict(float)
        for one in self.in_use:
            shares[one.engine] += one.share
        self._slower = {engine: len(shares) * max(1.0, sum_) for engine, sum_ in shares.items()}

    def _advance(self, now: float) -> None:
        seconds, self._at = now - self._at, now
        if seconds <= 0 or self.blocked:
            return
        slower = self._slower
        for one in self.in_use:
            one.left -= seconds / (one.alone_s * slower[one.engine])
