"""One engine's requests: which wait, which run, and which of those that wait is next. Pure."""

import math
from collections import deque
from collections.abc import Mapping

from orchestrator.residency.machine.state import EngineState, Phase, Replica, Ticket


class EngineQueue:
    """Queues before an engine's experts: in order within each age bound."""

    def __init__(
        self,
        state: EngineState,
        limits: Mapping[str, int] | None = None,
        max_queued: Mapping[str, float] | None = None,
    ) -> None:
        """`limits`: expert -> requests of it that one replica serves at once.

        Without limits, the engine has one expert, which has its name and any number of waiting
        requests.
        """
        self.state = state
        self._limits = limits or {state.name: state.max_in_flight}
        self._alone = len(self._limits) == 1
        self._max_queued = max_queued or dict.fromkeys(self._limits, math.inf)
        self.queued = dict.fromkeys(self._limits, 0)
        """Expert -> requests that wait."""
        self.running = dict.fromkeys(self._limits, 0)
        """Expert -> requests that run."""
        self._queues: dict[tuple[str, float], deque[Ticket]] = {}

    @property
    def experts(self) -> tuple[str, ...]:
        """Everything that the engine answers for."""
        return tuple(self._limits)

    @property
    def limits(self) -> Mapping[str, int]:
        """Expert -> requests of it that one replica serves at once."""
        return self._limits

    def rebound(self, like: "EngineQueue") -> None:
        """From now on, the bounds of another queue for the same experts."""
        assert like.experts == self.experts, "they are other experts"
        self._limits, self._max_queued = like._limits, like._max_queued

    def limit(self, expert: str) -> int:
        """Requests of the expert that all replicas together serve at once."""
        loaded = sum(replica.phase is not Phase.LOADING for replica in self.state.replicas)
        return self._limits[expert] * max(1, loaded)

    def full(self, expert: str) -> bool:
        """Whether a further request of the expert must be refused."""
        there = self.queued[expert] + self.running[expert]
        return there >= self.limit(expert) + self._max_queued[expert]

    def admitting(self, ticket: Ticket) -> Replica | None:
        """The replica with the fewest requests that takes this one too; None if there is none."""
        expert, unhurried = ticket.expert, ticket.deadline == math.inf
        replicas = self.state.replicas
        if len(replicas) == 1:
            found = replicas[0] if _admits(replicas[0], unhurried) else None
        else:
            found = min((r for r in replicas if _admits(r, unhurried)), key=_in_use, default=None)
        if found is None or self._alone:  # Alone, an expert may fill every replica.
            return found
        return found if self.running[expert] < self.limit(expert) else None

    def begin(self, ticket: Ticket, replica: Replica, now: float) -> None:
        """A request begins in `replica`."""
        ticket.replica = replica
        ticket.began, ticket.began_share_s = now, replica.slot.share_s(now)
        replica.running.add(ticket)
        replica.in_use += 1
        replica.last_used = now
        self.running[ticket.expert] += 1

    def end(self, ticket: Ticket, now: float) -> None:
        """A request that runs is over."""
        replica = ticket.replica
        assert replica is not None, "the request does not run"
        replica.slot.share_s(now)
        ticket.replica = None
        replica.running.discard(ticket)
        replica.in_use -= 1
        replica.last_used = now
        self.running[ticket.expert] -= 1

    def enqueue(self, ticket: Ticket) -> None:
        """It waits from now on."""
        queue = self._queue_of(ticket)
        queue.append(ticket)
        self.queued[ticket.expert] += 1
        state = self.state
        state.waiting += 1
        state.stages[ticket.stage] = state.stages.get(ticket.stage, 0) + 1
        if len(queue) == 1:
            state.oldest = min(state.oldest, ticket.arrived)
            state.deadline = min(state.deadline, ticket.deadline)

    def leave(self, ticket: Ticket) -> bool:
        """It waits no longer; False if it did not wait."""
        queue = self._queue_of(ticket)
        if ticket not in queue:
            return False
        queue.remove(ticket)
        self._left(ticket)
        self._note_heads()
        return True

    @property
    def heads(self) -> list[Ticket]:
        """Of each expert and age bound, the request that is next."""
        return [queue[0] for queue in self._queues.values() if queue]

    def last_unhurried(self, expert: str) -> Ticket | None:
        """Of the expert's requests that wait without an age bound, the one that came last."""
        queue = self._queues.get((expert, math.inf))
        return queue[-1] if queue else None

    def admit(self, now: float) -> list[Ticket]:
        """Let those begin for whom there is room."""
        begun: list[Ticket] = []
        while self.state.waiting and (found := self._next()):
            queue, replica = found
            ticket = queue.popleft()
            self._left(ticket)
            self.begin(ticket, replica, now)
            begun.append(ticket)
        if begun:
            self._note_heads()
        return begun

    def clear(self) -> list[Ticket]:
        """None of them waits any longer; returns them."""
        tickets = [ticket for queue in self._queues.values() for ticket in queue]
        self._queues.clear()
        self.queued = dict.fromkeys(self._limits, 0)
        self.state.waiting = 0
        self.state.stages.clear()
        self._note_heads()
        return tickets

    def _queue_of(self, ticket: Ticket) -> deque[Ticket]:
        key = (ticket.expert, round(ticket.deadline - ticket.arrived, 6))
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
        return queue

    def _next(self) -> tuple[deque[Ticket], Replica] | None:
        """The queue whose head is next, and where that goes."""
        queues = [queue for queue in self._queues.values() if queue]
        if len(queues) > 1:
            queues.sort(key=_urgency)
        for queue in queues:
            if (replica := self.admitting(queue[0])) is not None:
                return queue, replica
        return None

    def _left(self, ticket: Ticket) -> None:
        self.queued[ticket.expert] -= 1
        self.state.waiting -= 1
        stages = self.state.stages
        stages[ticket.stage] -= 1
        if not stages[ticket.stage]:
            del stages[ticket.stage]

    def _note_heads(self) -> None:
        oldest = deadline = math.inf
        for queue in self._queues.values():
            if queue:
                oldest = min(oldest, queue[0].arrived)
                deadline = min(deadline, queue[0].deadline)
        self.state.oldest, self.state.deadline = oldest, deadline


def _urgency(queue: deque[Ticket]) -> tuple[float, float]:
    """The nearest age bound first, then the oldest."""
    return queue[0].deadline, queue[0].arrived


def _admits(replica: Replica, unhurried: bool) -> bool:
    return replica.admits and not (unhurried and replica.slot.crowded)


def _in_use(replica: Replica) -> int:
    return replica.in_use
