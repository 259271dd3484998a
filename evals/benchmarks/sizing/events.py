"""Plays the traffic through a pool of so many slots, by the pool's own machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evals.benchmarks.simulation.events import Contestant, LoadRecord, Simulation
from evals.benchmarks.simulation.service import SlotServer, World
from evals.benchmarks.simulation.traces import Trace
from evals.benchmarks.sizing.pool import Engine, Pool
from evals.benchmarks.sizing.server import CallServer
from evals.benchmarks.sizing.speeds import Needs
from evals.benchmarks.sizing.traffic import Call
from orchestrator.residency.machine.costs import FIELDS, Costs
from orchestrator.residency.machine.effects import Effect, Forget, Reject, Unload
from orchestrator.residency.machine.policy import decide
from orchestrator.residency.machine.queues import EngineQueue
from orchestrator.residency.machine.state import EngineState, Replica, SlotState, Ticket

OURS = Contestant("ours", decide)


@dataclass(frozen=True, slots=True)
class Played:
    """What happened to every call; `nan` for those that were refused."""

    waits_s: Sequence[float]
    """From its arrival to its admission."""
    answers_s: Sequence[float]
    """From its arrival to its last token."""
    loads: tuple[LoadRecord, ...]
    refused: int


class SizedSimulation(Simulation):
    """One traffic on so many slots, which begin as a service's do after its start."""

    def __init__(
        self, pool: Pool, slots: int, calls: Sequence[Call], needs: Sequence[Needs]
    ) -> None:
        classes = list(pool.bounds_s)
        engine_of = pool.engine_of
        trace = Trace(
            tuple(engine.name for engine in pool.engines),
            [call.at_s for call in calls],
            [engine_of[call.expert] for call in calls],
            [classes.index(call.kind) for call in calls],
        )
        super().__init__(
            trace,
            _world(pool, slots, needs),
            OURS,
            age_bounds_s=tuple(pool.bounds_s.values()),
            rules=pool.rules,
        )
        self._pool, self._calls = pool, calls
        self._by_name = {engine.name: engine for engine in pool.engines}
        self.refused = 0
        self._move_in()

    def play(self) -> Played:
        """Let everything happen."""
        outcome = self.run()
        return Played(outcome.waits_s, outcome.answers_s, outcome.loads, self.refused)

    def _move_in(self) -> None:
        """Each engine is loaded once, as at a service's start; the others sleep, if they can."""
        by_name = {state.name: state for state in self.engines}
        for slot in self.slots:
            slot.recount()
        places = self._pool.places(len(self.slots))
        for name, number in places.items():
            self._machine.adopt(self.slots[number], by_name[name], 0.0)
        for engine in (one for one in self._pool.engines if one.name not in places):
            slot = max(self.slots, key=lambda slot: slot.free_gb)
            if self._may_sleep(slot, engine) and slot.free_gb >= self._pool.asleep_gb:
                slot.asleep[engine.name] = self._pool.asleep_gb
                slot.recount()
        if not self._pool.sleep_level:
            for slot in self.slots:  # Of those that are there, the files are warm.
                slot.asleep = {replica.engine.name: 0.0 for replica in slot.replicas}

    def _may_sleep(self, slot: SlotState, engine: Engine) -> bool:
        """As the slot of a service decides (`orchestrator/residency/transitions.py`)."""
        if self._pool.sleep_level != 1:
            return bool(self._pool.sleep_level)
        asleep_gb = sum(self._by_name[name].memory_gb for name in slot.asleep)
        return asleep_gb + engine.memory_gb <= self._pool.host_gb

    def _enter(self, number: int, now: float) -> None:
        call = self._calls[number]
        arrived = self._trace.at_s[number]
        bound_s = self._age_bounds_s[self._trace.kind[number]]
        ticket = Ticket(call.expert, arrived, arrived + bound_s, number)
        self._apply(self._machine.arrived(ticket, now), now)

    def _apply(self, effects: Sequence[Effect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Unload):
                self._unload(effect.replica, effect.may_sleep, now)
            elif isinstance(effect, Forget):
                drop_s = self._by_name[effect.engine].drop_s
                self._push(now + drop_s, self._forgotten, effect)
            elif isinstance(effect, Reject):
                self.refused += 1
            else:
                super()._apply([effect], now)

    def _unload(self, replica: Replica, may_sleep: bool, now: float) -> None:
        engine = self._by_name[replica.engine.name]
        sleeps = may_sleep and self._may_sleep(replica.slot, engine)
        seconds = engine.leave_s if sleeps or not self._pool.sleep_level else engine.drop_s
        self._push(now + seconds, self._has_left, (replica, sleeps))

    def _has_left(self, what: tuple[Replica, bool], now: float) -> None:
        replica, sleeps = what
        self._apply(self._machine.left(replica, self._pool.asleep_gb if sleeps else None), now)

    def _forgotten(self, effect: Forget, now: float) -> None:
        self._apply(self._machine.forgotten(effect.slot, effect.engine), now)

    # Calls differ, so that one that begins later may be done before all others.

    def _look(self, server: SlotServer, now: float) -> None:
        assert isinstance(server, CallServer)
        if server.look_at <= now:
            server.look_at = math.inf
        super()._look(server, now)

    def _look_later(self, server: SlotServer) -> None:
        assert isinstance(server, CallServer)
        if server.in_use and not server.blocked and (at_s := server.next_at()) < server.look_at:
            server.look_at = at_s
            self._push(at_s, self._look, server)


def _world(pool: Pool, slots: int, needs: Sequence[Needs]) -> World:
    """Everything of it is new: a simulation writes into it."""
    states = [
        SlotState(
            f"slot-{number}",
            pool.slot_gb,
            base_gb=pool.base_gb,
            load_blocks=not pool.on_gpu,
            sleeps=bool(pool.sleep_level),
        )
        for number in range(slots)
    ]
    service_s = sum(one.alone_s for one in needs) / len(needs)
    queues = [EngineQueue(_state(e, service_s), e.limits, e.max_queued) for e in pool.engines]
    return World(queues, states, {state.id: CallServer(needs) for state in states})


def _state(engine: Engine, service_s: float) -> EngineState:
    return EngineState(
        engine.name,
        engine.memory_gb,
        max_in_flight=sum(engine.limits.values()),
        pinned=engine.pinned,
        max_idle_s=engine.max_idle_s,
        costs=Costs(engine.load_s, engine.wake_s, engine.leave_s, service_s, set(FIELDS)),
    )
