"""Drives the pool's own machine in simulated time: arrivals, service, loads as discrete events.

What queues, admits, counts and decides is `orchestrator.residency.machine`, as in a running pool.
Here is only what the world does: requests arrive, slots serve, leaving and loading take time.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from time import perf_counter
from typing import Any

from evals.benchmarks.simulation.service import Machine, SlotServer, World, furnish
from evals.benchmarks.simulation.traces import CLASSES, Trace
from orchestrator.residency.machine import machine as residency
from orchestrator.residency.machine.effects import Begin, Effect, End, Grant, Load, Unload
from orchestrator.residency.machine.policy import Policy, Rules
from orchestrator.residency.machine.state import EngineState, Replica, Ticket


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy, and what the system around it does differently."""

    name: str
    policy: Policy
    one_line: bool = False
    """Requests are admitted in the order of their arrival, whoever could go ahead."""
    max_in_flight: int | None = None
    """Per replica; the machine's own where None."""
    heeds_bounds: bool = True
    """Whether it knows of age bounds; else all requests are alike to it."""


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One engine's way into a slot."""

    at_s: float
    engine: str
    slot: str
    seconds: float
    warm: bool = False
    """Whether the slot has had it before."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to a trace."""

    waits_s: Sequence[float]
    """From arrival to admission, per request."""
    answers_s: Sequence[float]
    """From arrival to the last token, per request."""
    loads: tuple[LoadRecord, ...]
    decisions: int
    """Calls of the policy."""
    wall_s: float
    """What the simulation itself took."""


class StarvedError(RuntimeError):
    """Requests wait and nothing will ever happen: the policy has left them."""


class Simulation:
    """One trace through one contestant's pool. `watch`, for tests, is called after every event."""

    def __init__(
        self,
        trace: Trace,
        machine: Machine | World,
        contestant: Contestant,
        *,
        age_bounds_s: Sequence[float] = (math.inf, math.inf),
        rules: Rules | None = None,
        watch: "Callable[[Simulation, float], None] | None" = None,
    ) -> None:
        self._trace = trace
        unbounded = (math.inf,) * len(CLASSES)
        self._age_bounds_s = tuple(age_bounds_s) if contestant.heeds_bounds else unbounded
        self._watch = watch
        world = (
            furnish(machine, trace.experts, contestant.max_in_flight)
            if isinstance(machine, Machine)
            else machine
        )
        self.engines = [queue.state for queue in world.queues]
        self.slots = list(world.slots)
        self._machine = residency.Machine(world.queues, self.slots, contestant.policy, rules)
        self._servers = world.servers
        self._line = _OneLine() if contestant.one_line else None
        self._heap: list[tuple[float, int, Callable[[Any, float], None], Any]] = []
        self._pushed = 0
        self._waits = [math.nan] * len(trace)
        self._loads: list[LoadRecord] = []
        self._answers = [math.nan] * len(trace)
        self._decisions = 0

    def run(self) -> Outcome:
        """Let everything happen. Raises StarvedError if the policy leaves requests waiting."""
        started = perf_counter()
        at_s, count, heap, machine = self._trace.at_s, len(self._trace), self._heap, self._machine
        number = 0
        while True:
            arrival = at_s[number] if number < count else math.inf
            now = min(arrival, heap[0][0] if heap else math.inf, machine.tick_at)
            if now == math.inf:
                break
            while number < count and at_s[number] <= now:
                self._arrive(number, now)
                number += 1
            while heap and heap[0][0] <= now:
                _, _, happen, what = heappop(heap)
                happen(what, now)
            if machine.tick_at <= now:
                self._tick(now)
            if self._watch is not None:
                self._watch(self, now)
        waiting = [state.name for state in self.engines if state.waiting]
        if waiting or (self._line is not None and len(self._line) > 0):
            raise StarvedError(f"Left waiting: {', '.join(sorted(waiting))}.")
        wall_s = perf_counter() - started
        return Outcome(self._waits, self._answers, tuple(self._loads), self._decisions, wall_s)

    # What happens.

    def _arrive(self, number: int, now: float) -> None:
        if self._line is None or self._line.passes(number):
            self._enter(number, now)

    def _enter(self, number: int, now: float) -> None:
        trace = self._trace
        state = self.engines[trace.expert[number]]
        arrived = trace.at_s[number]
        bound_s = self._age_bounds_s[trace.kind[number]]
        ticket = Ticket(state.name, arrived, arrived + bound_s, number)
        self._apply(self._machine.arrived(ticket, now), now)
        if self._line is not None and ticket.replica is None:
            self._line.stands_behind(state)

    def _tick(self, now: float) -> None:
        """Once; in one line, as often as the line advances."""
        while self._machine.tick_at <= now:
            self._decisions += 1
            self._apply(self._machine.tick(now), now)
            if self._line is not None:
                while (number := self._line.next()) is not None:
                    self._enter(number, now)

    def _look(self, server: SlotServer, now: float) -> None:
        """Something may be done. More may have begun since, so that nothing is done yet."""
        server.scheduled = False
        if server.blocked:
            return
        for _, ticket in server.take_done(now):
            effects = self._machine.finished(ticket, now)
            if effects:
                self._apply(effects, now)
            self._answered(ticket, now)
        self._look_later(server)

    def _left(self, replica: Replica, now: float) -> None:
        self._apply(self._machine.left(replica, asleep_gb=0.0), now)

    def _loaded(self, replica: Replica, now: float) -> None:
        server = self._servers[replica.slot.id]
        if server.blocked:
            server.block(False, now)
            self._look_later(server)
        self._apply(self._machine.loaded(replica, now), now)

    def _begun(self, ticket: Ticket, now: float) -> None:
        self._waits[ticket.holder] = now - ticket.arrived

    def _answered(self, ticket: Ticket, now: float) -> None:
        self._answers[ticket.holder] = now - ticket.arrived

    # What the machine wants.

    def _apply(self, effects: Sequence[Effect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Grant):
                self._begin(effect.ticket, now)
            elif isinstance(effect, Unload):
                leave_s = effect.replica.engine.costs.leave_s
                self._push(now + leave_s, self._left, effect.replica)
            elif isinstance(effect, Load):
                self._load(effect.replica, effect.warm, now)
            else:
                assert isinstance(effect, Begin | End), f"{effect} in a pool without faults"

    def _begin(self, ticket: Ticket, now: float) -> None:
        replica = ticket.replica
        assert replica is not None, "granted without a replica"
        self._begun(ticket, now)
        server = self._servers[replica.slot.id]
        server.begin(ticket, now)
        self._look_later(server)

    def _load(self, replica: Replica, warm: bool, now: float) -> None:
        slot, costs = replica.slot, replica.engine.costs
        seconds = costs.wake_s if warm else costs.load_s
        self._loads.append(LoadRecord(now, replica.engine.name, slot.id, seconds, warm))
        if slot.load_blocks:
            self._servers[slot.id].block(True, now)
        self._push(now + seconds, self._loaded, replica)

    def _look_later(self, server: SlotServer) -> None:
        if server.in_use and not server.scheduled and not server.blocked:
            server.scheduled = True
            self._push(server.next_at(), self._look, server)

    def _push(self, at_s: float, happen: Callable[[Any, float], None], what: object) -> None:
        self._pushed += 1
        heappush(self._heap, (at_s, self._pushed, happen, what))


class _OneLine:
    """Holds back all requests but the first, whoever could go ahead."""

    def __init__(self) -> None:
        self._line: deque[int] = deque()
        self._head: EngineState | None = None

    def __len__(self) -> int:
        return len(self._line)

    def passes(self, number: int) -> bool:
        """Whether the request may go on at once; else it stands in the line."""
        if not self._line and self._head is None:
            return True
        self._line.append(number)
        return False

    def stands_behind(self, engine: EngineState) -> None:
        """The head of the line waits: the others do, too, until its engine is on its way."""
        if not engine.resident:
            self._head = engine

    def next(self) -> int | None:
        """The request that goes on now."""
        if self._head is not None and not self._head.resident:
            return None
        self._head = None
        return self._line.popleft() if self._line else None
