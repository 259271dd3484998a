"""Which request begins, waits or is refused: the half of the machine that knows requests. Pure."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

from orchestrator.residency.machine.effects import Effect, Grant, Refusal, Reject
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import (
    EngineState,
    Outlook,
    Phase,
    Replica,
    SlotState,
    Ticket,
)

AT_ONCE = -math.inf

Effects = list[Effect]


class Admission(ABC):
    """The queues of all engines."""

    def __init__(
        self, queues: Sequence[EngineQueue], slots: Sequence[SlotState], rate_window_s: float
    ) -> None:
        self.slots = slots
        self.tick_at = math.inf
        """When to call `tick`; AT_ONCE: as soon as all events of the moment are told."""
        # By identity: one that leaves may have the name of one that has come.
        self._queues = {queue.state: queue for queue in queues}
        self._by_expert = {expert: queue for queue in queues for expert in queue.experts}
        self._announced: Counter[tuple[str, bool]] = Counter()
        """Expert, and whether there is no hurry -> requests that will come, whoever serves it."""
        self._followed: Counter[str] = Counter()
        """Expert -> batches that ask more of it, whoever serves it."""
        self._waiting: dict[str, EngineState] = {}
        self._expected: dict[str, EngineState] = {}
        self._outlook = Outlook()
        for queue in queues:
            queue.state.outlook = self._outlook
        self._rate_window_s = rate_window_s
        self._stopped = False
        self._winding_down = False

    def arrived(self, ticket: Ticket, now: float) -> Effects:
        """A request comes in: it begins, waits, or is refused.

        Where the queue is full, the last one without an age bound gives its place to one that has.
        """
        queue = self._by_expert.get(ticket.expert)
        if queue is None:
            return [Reject(ticket, Refusal.GONE)]
        state = queue.state
        state.arrived(now, self._rate_window_s)
        state.ahead = False
        # In a crowded slot, those wait that have no age bound, and one that has passes them.
        passes = ticket.deadline < state.deadline == math.inf
        if passes or not queue.queued[ticket.expert]:
            replica = queue.admitting(ticket)
            if replica is not None:
                queue.begin(ticket, replica, now)
                return [Grant(ticket)]
        displaced = self._displace(queue, ticket) if queue.full(ticket.expert) else []
        if (rejected := self._refuse(queue, ticket, now)) is not None:
            self._note_empty(queue)
            return [*displaced, rejected]
        sooner = ticket.deadline < state.deadline
        queue.enqueue(ticket)
        self._waiting[state.name] = state
        # How many wait matters, too: every doubling is worth a decision.
        if (sooner or state.waiting & (state.waiting - 1) == 0) and not state.loading:
            self.tick_at = AT_ONCE
        return displaced

    def cancelled(self, ticket: Ticket, now: float) -> Effects:
        """A client has left, perhaps in the very moment that its turn came."""
        if ticket.replica is not None:
            return self._end(ticket, now)
        queue = self._by_expert.get(ticket.expert)
        if queue is not None and queue.leave(ticket):
            self.tick_at = AT_ONCE
            self._note_empty(queue)
        return []

    def finished(self, ticket: Ticket, now: float) -> Effects:
        """A request is over. Does nothing where its replica has gone before it."""
        if ticket.replica is None:
            return []
        share_s = ticket.replica.slot.share_s(now) - ticket.began_share_s
        ticket.replica.engine.costs.served(now - ticket.began, share_s)
        return self._end(ticket, now)

    # Gateways that let requests begin by themselves.

    def lend(self, replica: Replica, loan: int, at_most: int) -> None:
        """A gateway may let so many requests run here without asking."""
        replica.lent[loan] = at_most

    def begun(self, ticket: Ticket, replica: Replica, loan: int, now: float) -> None:
        """A request has begun so. Where the replica is gone, its slot has died under it."""
        queue = self._queues[replica.engine]
        if loan in replica.lent:
            replica.lent[loan] = max(0, replica.lent[loan] - 1)
        queue.state.arrived(now, self._rate_window_s)
        queue.state.ahead = False
        if replica in replica.slot.replicas:
            queue.begin(ticket, replica, now)

    def repaid(self, replica: Replica, loan: int) -> None:
        """A request that had begun so is over: another one may begin in its place."""
        if loan in replica.lent:
            replica.lent[loan] += 1

    def returned(self, replica: Replica, loan: int, now: float) -> Effects:
        """A gateway lets no more requests begin here."""
        if replica.lent.pop(loan, None) is None or replica not in replica.slot.replicas:
            return []
        if replica.phase is not Phase.DRAINING:
            return self._admit(self._queues[replica.engine], now)
        return [] if replica.busy else self._step(replica.slot)

    # Requests that are known to come.

    def expects(self, expert: str, unhurried: bool) -> None:
        """A running request, with an age bound unless `unhurried`, will ask the expert later.

        `expects_no_more` takes it back.
        """
        self._announced[expert, unhurried] += 1
        queue = self._by_expert.get(expert)
        if queue is None or queue.state.retired:
            return  # It is loaded no more.
        state = queue.state
        state.expected += 1
        state.unhurried += unhurried
        self._expected[state.name] = state
        if not state.resident:
            self.tick_at = AT_ONCE

    def expects_no_more(self, expert: str, unhurried: bool) -> None:
        """One announced request has arrived, or never will."""
        assert self._announced[expert, unhurried], f"nobody has announced a request for {expert}"
        self._announced[expert, unhurried] -= 1
        queue = self._by_expert.get(expert)
        if queue is None or queue.state.retired:
            return
        state = queue.state
        state.expected -= 1
        state.unhurried -= unhurried
        if not state.expected:
            del self._expected[state.name]
        if unhurried and not state.unhurried:
            self.tick_at = AT_ONCE  # Those that wait wait for no more.

    def follows(self, expert: str, batches: int) -> None:
        """One batch more, or one less (-1), asks the expert as soon as it has answered."""
        self._followed[expert] += batches
        queue = self._by_expert.get(expert)
        if queue is None or queue.state.retired:
            return
        queue.state.followed += batches
        if not queue.state.followed:
            self.tick_at = AT_ONCE  # It may leave now.

    def begins_choosing(self) -> None:
        """For a request without an age bound, it is being found out whom to ask."""
        self._outlook.undecided += 1

    def has_chosen(self) -> None:
        """It is known for one of them, or need not be known any more."""
        assert self._outlook.undecided, "nobody is being chosen"
        self._outlook.undecided -= 1
        if not self._outlook.undecided:
            self.tick_at = AT_ONCE

    def _end(self, ticket: Ticket, now: float) -> Effects:
        replica = ticket.replica
        assert replica is not None, "the request does not run"
        queue, slot = self._queues[replica.engine], replica.slot
        queue.end(ticket, now)
        effects = self._admit(queue, now) if queue.state.waiting else []
        if replica.in_use:
            return effects
        if replica.phase is Phase.DRAINING:
            if replica.drains_from < now:
                replica.engine.costs.drained(now - replica.drains_from)
            return effects + self._step(slot)
        if not slot.in_transition and (
            self._waiting or self._expected or replica.engine.max_idle_s < math.inf
        ):
            self.tick_at = AT_ONCE  # It may leave now.
        return effects

    @abstractmethod
    def _step(self, slot: SlotState) -> Effects:
        """A replica has drained: the slot's transition goes on."""

    def _admit(self, queue: EngineQueue, now: float) -> Effects:
        """Let those begin for whom there is room by now."""
        effects: Effects = [Grant(ticket) for ticket in queue.admit(now)]
        self._note_empty(queue)
        return effects

    def _note_empty(self, queue: EngineQueue) -> None:
        name = queue.state.name
        if not queue.state.waiting and self._waiting.get(name) is queue.state:
            del self._waiting[name]
            self.tick_at = AT_ONCE  # Its stage may be over.

    def _displace(self, queue: EngineQueue, ticket: Ticket) -> Effects:
        other = queue.last_unhurried(ticket.expert) if ticket.deadline < math.inf else None
        if other is None:
            return []
        queue.leave(other)
        return [Reject(other, Refusal.GAVE_WAY)]

    def _refuse(self, queue: EngineQueue, ticket: Ticket, now: float) -> Reject | None:
        """Whether the request would wait in vain."""
        state = queue.state
        if queue.full(ticket.expert):
            return Reject(ticket, Refusal.QUEUE_FULL)
        if self._stopped:
            return Reject(ticket, Refusal.NOT_LOADED)
        if not state.keeps_waiting:
            return Reject(ticket, Refusal.GONE)
        if self._winding_down and not state.serves:
            return Reject(ticket, Refusal.STOPPING)
        if state.resident:
            return None
        if state.failed is not None and state.retry_at > now and not state.on_trial:
            return Reject(ticket, Refusal.NOT_LOADED, state.retry_at - now)
        return Reject(ticket, Refusal.TOO_LARGE) if self._too_large(state) else None

    def _too_large(self, state: EngineState) -> bool:
        return not any(slot.could_hold(state) for slot in self.slots)

    def _reject_all(
        self, state: EngineState, refusal: Refusal, retry_after_s: float | None = None
    ) -> Effects:
        """No waiting request of the engine can be served."""
        queue = self._queues[state]
        tickets = queue.clear()
        self._note_empty(queue)
        return [Reject(ticket, refusal, retry_after_s) for ticket in tickets]
