"""The driver: arrivals, service and moves as discrete events over the states of the pool.

It keeps the states as the real pool does, asks the policy when something changed that matters to
it, and carries out the moves: who leaves drains, leaves, and then the engine comes.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from time import perf_counter
from typing import Any

from evals.benchmarks.simulation.service import Machine, Server
from evals.benchmarks.simulation.traces import CLASSES, Trace
from orchestrator.residency.policy import Transition, Policy, Rules
from orchestrator.residency.state import (
    Costs,
    EngineState,
    Phase,
    Replica,
    SlotState,
    add_replica,
    remove_replica,
)

SERVICE_SHARE = 0.05
"""Weight of the newest request in the estimate of the time in use, as in the pool."""


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
class Load:
    """One engine's way into a slot."""

    at_s: float
    engine: str
    slot: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to a trace."""

    waits_s: Sequence[float]
    """From arrival to admission, per request."""
    answers_s: Sequence[float]
    """From arrival to the last token, per request."""
    loads: tuple[Load, ...]
    decisions: int
    """Calls of the policy."""
    wall_s: float
    """What the simulation itself took."""


class StarvedError(RuntimeError):
    """Requests wait and nothing will ever happen: the policy has left them."""


class _Engine:
    """An engine's state, and who waits for it."""

    __slots__ = ("state", "lines")

    def __init__(self, state: EngineState) -> None:
        self.state = state
        self.lines: tuple[deque[int], ...] = tuple(deque() for _ in CLASSES)


class _Moving:
    """A move under way."""

    __slots__ = ("coming", "draining", "move")

    def __init__(self, move: Transition) -> None:
        self.move = move
        self.draining = sum(replica.in_use > 0 for replica in move.leaving)
        self.coming: Replica | None = None


class Simulation:
    """One trace through one contestant's pool. `watch`, for tests, is called after every event."""

    def __init__(
        self,
        trace: Trace,
        machine: Machine,
        contestant: Contestant,
        *,
        age_bounds_s: Sequence[float] = (math.inf, math.inf),
        rules: Rules | None = None,
        watch: "Callable[[Simulation, float], None] | None" = None,
    ) -> None:
        self._trace = trace
        self._machine = machine
        self._policy = contestant.policy
        self._one_line = contestant.one_line
        unbounded = (math.inf,) * len(CLASSES)
        self._age_bounds_s = tuple(age_bounds_s) if contestant.heeds_bounds else unbounded
        self._rules = rules or Rules()
        self._watch = watch
        limit = contestant.max_in_flight or machine.max_in_flight
        sizes = machine.engines_gb or (1.0,) * len(trace.experts)
        self._engines = [
            _Engine(EngineState(name, gb, limit, costs=_costs(machine)))
            for name, gb in zip(trace.experts, sizes, strict=True)
        ]
        self._by_name = {engine.state.name: engine for engine in self._engines}
        self.slots = [
            SlotState(f"slot-{number}", machine.slot_gb, load_blocks=machine.load_blocks)
            for number in range(machine.slots)
        ]
        self._servers = {s.id: Server(machine.solo_s, machine.work_s) for s in self.slots}
        self._moving: dict[str, _Moving] = {}
        self._waiting: dict[str, EngineState] = {}
        self._line: deque[int] = deque()
        self._head: EngineState | None = None
        self._heap: list[tuple[float, int, Callable[[Any, float], None], Any]] = []
        self._pushed = 0
        self._changed = False
        self._recheck = math.inf
        self._waits = [math.nan] * len(trace)
        self._loads: list[Load] = []
        self._answers = [math.nan] * len(trace)
        self._decisions = 0

    @property
    def engines(self) -> list[EngineState]:
        """Every engine's state, in the order of the trace's experts."""
        return [engine.state for engine in self._engines]

    def run(self) -> Outcome:
        """Let everything happen. Raises StarvedError if the policy leaves requests waiting."""
        started = perf_counter()
        at_s, count, heap = self._trace.at_s, len(self._trace), self._heap
        number = 0
        while True:
            arrival = at_s[number] if number < count else math.inf
            now = min(arrival, heap[0][0] if heap else math.inf, self._recheck)
            if now == math.inf:
                break
            while number < count and at_s[number] <= now:
                self._arrive(number, now)
                number += 1
            while heap and heap[0][0] <= now:
                _, _, happen, what = heappop(heap)
                happen(what, now)
            if self._changed or now >= self._recheck:
                self._decide(now)
            if self._watch is not None:
                self._watch(self, now)
        if self._waiting or self._line:
            raise StarvedError(f"Left waiting: {', '.join(sorted(self._waiting))}.")
        wall_s = perf_counter() - started
        return Outcome(self._waits, self._answers, tuple(self._loads), self._decisions, wall_s)

    # Requests.

    def _arrive(self, number: int, now: float) -> None:
        engine = self._engines[self._trace.expert[number]]
        engine.state.arrived(now, self._rules.rate_window_s)
        if self._one_line and (self._line or self._head):
            self._line.append(number)
        else:
            self._enter(number, engine, now)

    def _enter(self, number: int, engine: _Engine, now: float) -> None:
        """Begin it, or let it wait for its engine."""
        state = engine.state
        if not state.waiting and (replica := _admitting(state)):
            self._begin(number, replica, now)
            return
        line = engine.lines[self._trace.kind[number]]
        line.append(number)
        if len(line) == 1:
            self._note_oldest(engine)
        state.waiting += 1
        if state.waiting == 1:
            self._waiting[state.name] = state
        coming = any(replica.phase is Phase.LOADING for replica in state.replicas)
        # How many wait matters, too: every doubling is worth a thought.
        if not coming and state.waiting & (state.waiting - 1) == 0:
            self._changed = True
        if self._one_line and not state.resident:
            self._head = state

    def _begin(self, number: int, replica: Replica, now: float) -> None:
        replica.in_use += 1
        replica.last_used = now
        self._waits[number] = now - self._trace.at_s[number]
        server = self._servers[replica.slot.id]
        server.begin(number, replica, now)
        if not server.scheduled and not server.blocked:
            self._look_later(server)

    def _serve_waiting(self, engine: _Engine, now: float) -> None:
        """The nearest age bound first, then the oldest."""
        state, at_s, bounds = engine.state, self._trace.at_s, self._age_bounds_s
        while state.waiting and (replica := _admitting(state)):
            heads = [
                (at_s[line[0]] + bounds[kind], line[0], line)
                for kind, line in enumerate(engine.lines)
                if line
            ]
            _, number, line = min(heads)
            line.popleft()
            state.waiting -= 1
            self._begin(number, replica, now)
        self._note_oldest(engine)
        if not state.waiting:
            self._waiting.pop(state.name, None)
            self._changed = True  # Its stage may be over.

    def _note_oldest(self, engine: _Engine) -> None:
        state, at_s = engine.state, self._trace.at_s
        state.oldest = state.deadline = math.inf
        for line, bound_s in zip(engine.lines, self._age_bounds_s, strict=True):
            if line:
                arrived = at_s[line[0]]
                state.oldest = min(state.oldest, arrived)
                state.deadline = min(state.deadline, arrived + bound_s)

    def _look_later(self, server: Server) -> None:
        server.scheduled = True
        self._push(server.next_at(), self._look, server)

    def _look(self, server: Server, now: float) -> None:
        """Something may be done. More may have begun since, so that nothing is done yet."""
        server.scheduled = False
        if server.blocked:
            return
        for _, number, replica, began in server.take_done(now):
            replica.in_use -= 1
            replica.last_used = now
            costs = replica.engine.costs
            costs.service_s += SERVICE_SHARE * (now - began - costs.service_s)
            self._answers[number] = now - self._trace.at_s[number]
            if replica.engine.waiting:
                self._serve_waiting(self._engines[self._trace.expert[number]], now)
            if replica.in_use == 0:
                self._now_idle(replica, now)
        if server.in_use and not server.scheduled:
            self._look_later(server)

    def _now_idle(self, replica: Replica, now: float) -> None:
        if replica.phase is Phase.DRAINING:
            moving = self._moving[replica.slot.id]
            moving.draining -= 1
            if moving.draining == 0:
                self._leave(moving, now)
        elif self._waiting and not replica.slot.in_transition:
            self._changed = True

    # Moves.

    def _decide(self, now: float) -> None:
        """Ask the policy; in one line, as often as the line advances."""
        self._changed = True
        while self._changed:
            self._changed = False
            self._recheck = math.inf
            if self._waiting and not all(slot.in_transition for slot in self.slots):
                self._decisions += 1
                waiting = tuple(self._waiting.values())
                decision = self._policy(self.slots, waiting, now, self._rules)
                self._recheck = decision.recheck_at
                for move in decision.transitions:
                    self._begin_move(move, now)
            self._advance_line(now)

    def _advance_line(self, now: float) -> None:
        while self._head is None or self._head.resident:
            self._head = None
            if not self._line:
                return
            number = self._line.popleft()
            self._enter(number, self._engines[self._trace.expert[number]], now)

    def _begin_move(self, move: Transition, now: float) -> None:
        slot = move.slot
        assert not slot.in_transition, f"{slot.id} moves already"
        slot.in_transition = True
        for replica in move.leaving:
            replica.phase = Phase.DRAINING
        moving = self._moving[slot.id] = _Moving(move)
        if move.engine is not None:
            assert all(c.slot is not slot for c in move.engine.replicas), f"{slot.id} has it"
            moving.coming = add_replica(move.engine, slot)
        if moving.draining == 0:
            self._leave(moving, now)

    def _leave(self, moving: _Moving, now: float) -> None:
        seconds = sum(replica.engine.costs.leave_s for replica in moving.move.leaving)
        self._push(now + seconds, self._load, moving)

    def _load(self, moving: _Moving, now: float) -> None:
        slot, coming = moving.move.slot, moving.coming
        for replica in moving.move.leaving:
            remove_replica(replica)
            slot.asleep.add(replica.engine.name)
        _recount(slot)
        if coming is None:
            self._finish(moving, now)
            return
        slot.reserved_gb = coming.engine.memory_gb
        seconds = slot.move_s(coming.engine)
        self._loads.append(Load(now, coming.engine.name, slot.id, seconds))
        if slot.load_blocks:
            self._servers[slot.id].block(True, now)
        self._push(now + seconds, self._finish, moving)

    def _finish(self, moving: _Moving, now: float) -> None:
        slot, coming = moving.move.slot, moving.coming
        slot.in_transition = False
        del self._moving[slot.id]
        self._changed = True
        server = self._servers[slot.id]
        if server.blocked:
            server.block(False, now)
            if server.in_use and not server.scheduled:
                self._look_later(server)
        if coming is not None:
            coming.phase, coming.since, coming.last_used = Phase.READY, now, now
            slot.reserved_gb = 0.0
            _recount(slot)
            self._serve_waiting(self._by_name[coming.engine.name], now)

    def _push(self, at_s: float, happen: Callable[[Any, float], None], what: object) -> None:
        self._pushed += 1
        heappush(self._heap, (at_s, self._pushed, happen, what))


def _costs(machine: Machine) -> Costs:
    return Costs(machine.load_s, machine.wake_s, machine.leave_s, machine.solo_s)


def _recount(slot: SlotState) -> None:
    """A sum, so that rounding does not add up over a million moves."""
    there = (replica for replica in slot.replicas if replica.phase is not Phase.LOADING)
    slot.used_gb = sum(replica.engine.memory_gb for replica in there)


def _admitting(state: EngineState) -> Replica | None:
    """The replica with the fewest requests that takes one more."""
    replicas = state.replicas
    if len(replicas) == 1:
        replica = replicas[0]
        return replica if replica.admits else None
    return min((c for c in replicas if c.admits), key=lambda c: c.in_use, default=None)
