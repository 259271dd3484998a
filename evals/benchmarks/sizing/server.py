"""How a slot serves calls that differ: each has an equal share of its time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from evals.benchmarks.simulation.service import InUse
from evals.benchmarks.sizing.speeds import Needs
from orchestrator.residency.machine.state import Ticket

_ROUNDING = 1e-9
"""Of a call's work."""


@dataclass(slots=True)
class _Running:
    needs: Needs
    ticket: Ticket
    left: float = 1.0
    """The share of its work that is still to do."""

    def takes_s(self, running: int) -> float:
        """All of it, with so many in the slot."""
        shared_s = running * self.needs.work_s
        return shared_s if shared_s > self.needs.alone_s else self.needs.alone_s


class CallServer:
    """Lets each call go as fast as it does alone, until its share of the slot is too small."""

    __slots__ = ("_at", "_needs", "blocked", "in_use", "look_at", "scheduled")

    def __init__(self, needs: Sequence[Needs]) -> None:
        """`needs`: of every call, by the number that its ticket's holder is."""
        self.in_use: list[_Running] = []
        self.blocked = False
        self.scheduled = False
        self.look_at = float("inf")
        """When the driver will look here next."""
        self._needs = needs
        self._at = 0.0

    def begin(self, ticket: Ticket, now: float) -> None:
        """A call begins."""
        self._advance(now)
        self.in_use.append(_Running(self._needs[ticket.holder], ticket))

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
        return [(now, one.ticket) for one in done]

    def next_at(self) -> float:
        """When the next call is done if no other begins; infinite if none will be."""
        if self.blocked or not self.in_use:
            return float("inf")
        running = len(self.in_use)
        return self._at + min(max(one.left, 0.0) * one.takes_s(running) for one in self.in_use)

    def _advance(self, now: float) -> None:
        seconds, self._at = now - self._at, now
        if seconds <= 0 or self.blocked:
            return
        running = len(self.in_use)
        for one in self.in_use:
            one.left -= seconds / one.takes_s(running)
