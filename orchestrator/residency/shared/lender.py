"""A scheduler whose requests come from gateways elsewhere, and run on loans as well."""

import time

from orchestrator.residency.machine.state import Replica, Ticket
from orchestrator.residency.pool_view import gone
from orchestrator.residency.scheduler import Scheduler


class Lender(Scheduler):
    """What a controller drives."""

    @property
    def has_adopted(self) -> bool:
        """Whether slots held engines already when they came up."""
        return any(slot.state.replicas for slot in self._slots.values())

    def enter(self, ticket: Ticket) -> None:
        """A request waits elsewhere; its holder is told when it begins, or why it never will."""
        if self._note_arrival(ticket.expert):
            self._apply(self._machine.arrived(ticket, time.monotonic()))
        else:
            ticket.holder.set_exception(gone(ticket.expert))

    def begun(self, ticket: Ticket, replica: Replica, loan: int) -> None:
        """A request has begun elsewhere, on a loan."""
        self._note_arrival(ticket.expert)
        self._machine.begun(ticket, replica, loan, time.monotonic())
        self._arm()

    def lend(self, replica: Replica, loan: int, at_most: int) -> None:
        """So many requests may begin in a replica elsewhere, without asking."""
        self._machine.lend(replica, loan, at_most)

    def repaid(self, replica: Replica, loan: int) -> None:
        """One of them is over."""
        self._machine.repaid(replica, loan)

    def returned(self, replica: Replica, loan: int) -> None:
        """They may no more."""
        self._apply(self._machine.returned(replica, loan, time.monotonic()))
