"""Drives the pool's machine with requests that go from stage to stage, and announces them."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evals.benchmarks.simulation.events import Contestant, Outcome, Simulation
from evals.benchmarks.simulation.service import Machine
from evals.benchmarks.simulation.setting import Setting
from evals.benchmarks.simulation.staged_traces import StagedTrace, Stages
from orchestrator.residency.machine.policy import decide
from orchestrator.residency.machine.state import CHOICE, FIRST, Ticket

OURS = Contestant("ours", decide)


@dataclass(frozen=True, slots=True)
class Way:
    """How staged requests are served."""

    name: str
    announces: bool = True
    """Whether the pool is told what a request will ask later."""
    prefetch: bool = True
    alone: bool = False
    """One request after the other, and every expert leaves as soon as it has answered."""


@dataclass(slots=True)
class _Request:
    number: int
    arrived: float
    stages: Stages
    bound_s: float
    stage: int = CHOICE
    unanswered: int = 0
    """Calls of the stage."""


class StagedSimulation(Simulation):
    """One trace, served in one way."""

    def __init__(self, trace: StagedTrace, machine: Machine, way: Way, setting: Setting) -> None:
        super().__init__(
            trace.trace,
            replace(machine, max_idle_s=0.0) if way.alone else machine,
            OURS,
            age_bounds_s=setting.age_bounds_s,
            rules=replace(setting.rules, prefetch=way.prefetch),
        )
        self._stages, self._way = trace.stages, way
        self._held: deque[int] = deque()
        self._under_way = 0

    def run(self) -> Outcome:
        """As ever. Waits are not counted: a request has several."""
        outcome = super().run()
        assert not any(engine.expected for engine in self.engines), "announced for ever"
        return outcome

    def _enter(self, number: int, now: float) -> None:
        if self._way.alone and self._under_way:
            self._held.append(number)
            return
        self._under_way += 1
        trace, stages = self._trace, self._stages[number]
        arrived = now if self._way.alone else trace.at_s[number]
        request = _Request(number, arrived, stages, self._age_bounds_s[trace.kind[number]])
        if not stages.choice:
            self._ask_panel(request, now)
            return
        if self._gathers(request):
            self._machine.begins_choosing()
        self._ask(request, CHOICE, stages.choice, now)

    def _answered(self, ticket: Ticket, now: float) -> None:
        request = ticket.holder
        request.unanswered -= 1
        if request.unanswered:
            return
        if request.stage == CHOICE:
            if self._gathers(request):
                self._machine.has_chosen()
            self._ask_panel(request, now)
        elif request.stage == FIRST:
            if self._way.announces:
                self._machine.expects_no_more(*self._lead(request))
            self._ask(request, FIRST + 1, (request.stages.lead,), now)
        else:
            self._answers[request.number] = now - request.arrived
            self._under_way -= 1
            if self._held:
                self._enter(self._held.popleft(), now)

    def _begun(self, ticket: Ticket, now: float) -> None:
        """Nothing is counted."""

    def _ask_panel(self, request: _Request, now: float) -> None:
        if self._way.announces:
            self._machine.expects(*self._lead(request))
        self._ask(request, FIRST, request.stages.panel, now)

    def _ask(self, request: _Request, stage: int, experts: Sequence[int], now: float) -> None:
        request.stage, request.unanswered = stage, len(experts)
        told = stage if self._way.announces else FIRST
        for expert in experts:
            name = self.engines[expert].name
            ticket = Ticket(name, now, now + request.bound_s, request, stage=told)
            self._apply(self._machine.arrived(ticket, now), now)

    def _lead(self, request: _Request) -> tuple[str, bool]:
        return self.engines[request.stages.lead].name, request.bound_s == math.inf

    def _gathers(self, request: _Request) -> bool:
        return self._way.announces and request.bound_s == math.inf
