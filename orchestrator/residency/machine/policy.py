"""The residency policy: which slot loads what, what leaves for it, and when. Pure.

Requests queue by engine. A load must be worth it, or due:

- **Worth it**: it holds up no more requests than wait for it. Held up are those of the engine that
  leaves, for as long as coming back takes, and, where a load blocks its slot, those of all others
  there. So an idle slot loads at once, and a busy one first finishes what it has. In a quiet slot
  it is enough to have waited for as long as the others would be held up.
- **Due**: otherwise a request would wait longer than its class's age bound. Deadlines are met
  earliest first; since loads take turns in the slots, work begins as early as their sum demands.
- Requests without an age bound have patience instead: `stage_loads` times what the load takes. An
  engine that has served all that waited when it came, and for as long, then makes room.

Grouping follows: requests that wait meanwhile are served by one load. Where running requests have
announced others, loads without an age bound wait for these, and what is expected is loaded ahead
into room that nobody wants (`foresight.py`, ADR 0015). `decide` is called whenever
something changed and at `PolicyDecision.recheck_at`; the state must not change during a call.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.residency.machine.foresight import (
    gathers,
    has_room_to_spare,
    quiet,
    worth_loading_ahead,
)
from orchestrator.residency.machine.placement import (
    KeepValue,
    Option,
    Placement,
    at_rest,
    movable,
    spare,
    unwanted,
)
from orchestrator.residency.machine.state import (
    FIRST,
    SILENCE,
    EngineState,
    Phase,
    Replica,
    SlotState,
)

WORTH_IT = "worth it"
"""The reason of a load that nothing but its worth has caused."""
LATE = 0.75
"""Costs are means, and a deadline should be met by more than half of all loads: of some that follow
one another, one may take so much longer."""
DUE = "its age bound is near"
"""The reason of a load that somebody has waited for nearly as long as may be."""
AHEAD = "expected soon"
"""The reason of a load that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy's settings."""

    stage_loads: float = 20.0
    rate_window_s: float = 120.0
    prefetch: bool = True
    """Whether engines are loaded ahead of expected requests."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What a slot does next: `leaving` drain and go, then `engine`, if any, comes.

    A wake is a transition whose engine is in `slot.asleep`; `reason` is a few words for people.
    """

    slot: SlotState
    leaving: tuple[Replica, ...]
    engine: EngineState | None
    reason: str

    @property
    def words(self) -> str:
        """What it does, for the log."""
        parts = [f"drops {replica.engine.name}" for replica in self.leaving]
        parts += [f"loads {self.engine.name}"] if self.engine is not None else []
        return f"{', '.join(parts)} ({self.reason})"


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What to do now, and when to ask again at the latest. The other slots serve, or wait."""

    transitions: tuple[Transition, ...]
    recheck_at: float = math.inf
    crowded: bool = False
    """Whether a load will be late that could be sooner if less began meanwhile."""


Policy = Callable[[Sequence[SlotState], Iterable[EngineState], float, Rules], PolicyDecision]


def decide(
    slots: Sequence[SlotState],
    waiting: Iterable[EngineState],
    now: float,
    rules: Rules,
    keep_value: KeepValue | None = None,
) -> PolicyDecision:
    """The next transitions; at most one per slot, and none for a slot that is in one.

    `waiting` are the engines that requests wait for, and those that are expected (others do no
    harm). `keep_value` replaces the
    estimate from arrival rates, for comparisons with a policy that knows the future.
    """
    return _Decision(slots, now, rules, keep_value).run(tuple(waiting))


class _Decision:
    """One call of the policy."""

    def __init__(
        self, slots: Sequence[SlotState], now: float, rules: Rules, keep_value: KeepValue | None
    ) -> None:
        self._now = now
        self._slots = slots
        self._rules = rules
        self._placement = Placement(slots, now, rules.rate_window_s, keep_value)
        self._parallel = max(1, sum(slot.up for slot in slots))
        self._transitions: list[Transition] = []
        self._recheck = math.inf
        self._next_due = math.inf
        """When the next load must begin for a deadline to be met, of those that need not yet."""

    def run(self, waiting: Sequence[EngineState]) -> PolicyDecision:
        self._tidy()
        wanted = [e for e in waiting if e.waiting]
        for engine in wanted:
            self._again_at(engine.retry_at)
        ready = [e for e in wanted if e.retry_at <= self._now]
        contenders = [e for e in ready if not e.resident]
        if contenders and self._placement.free:
            due = self._due(contenders)
            for engine in due:
                self._place_due(engine)
            chosen = set(map(id, due))
            others = [e for e in contenders if id(e) not in chosen]
            for engine, impatient in self._by_worth(others):
                if self._placement.free:
                    self._place_if_worth(engine, impatient)
        for engine in (e for e in ready if e.resident):
            self._replicate(engine)
        if self._rules.prefetch and self._placement.free:
            self._load_ahead(waiting)
        return PolicyDecision(tuple(self._transitions), self._recheck, self._crowded(contenders))

    # What must leave in any case.

    def _tidy(self) -> None:
        for slot in tuple(self._placement.free):
            if slot.free_gb < 0:
                leaving = self._placement.make_room(slot, 0.0, spare(slot))
                if leaving is not None:
                    self._change(slot, leaving, None, "over its memory budget")
                    continue
            stale = [replica for replica in slot.replicas if self._stale(replica)]
            if stale:
                self._change(slot, tuple(stale), None, "idle for max_idle_s")

    def _stale(self, replica: Replica) -> bool:
        limit = replica.engine.max_idle_s
        if limit == math.inf or replica.phase is not Phase.READY or not replica.idle:
            return False
        ends_at = replica.last_used + limit
        self._again_at(ends_at)
        return ends_at <= self._now and not replica.engine.pinned

    # Loads that are due.

    def _due(self, contenders: list[EngineState]) -> list[EngineState]:
        """Those that must begin now for every deadline to be met, the earliest first."""
        bounded = sorted(
            (e for e in contenders if e.deadline < math.inf), key=lambda e: (e.deadline, e.name)
        )
        work_s, slowest_s, due, drain_s = 0.0, 0.0, 0, self._drain_s()
        for position, engine in enumerate(bounded, start=1):
            takes_s = max(self._cost_s(engine), self._moves_s(engine) + drain_s)
            work_s, slowest_s = work_s + takes_s, max(slowest_s, takes_s)
            # The last round of parallel loads takes a whole load, however many slots there are.
            ahead_s = max(work_s / self._parallel, takes_s) + LATE * slowest_s
            begin_at = engine.deadline - ahead_s
            if begin_at <= self._now:
                due = position
            else:
                self._next_due = min(self._next_due, begin_at)
                self._again_at(begin_at)
        return bounded[:due]

    def _crowded(self, contenders: list[EngineState]) -> bool:
        """Whether a deadline is missed by what those before it take, if all goes as usual.

        One that comes now is late whatever begins meanwhile, unless that slows its load down.
        """
        comes = {id(one.engine) for one in self._transitions if not one.slot.load_blocks}
        work_s = 0.0
        for engine in sorted(contenders, key=lambda e: (e.deadline, e.name)):
            work_s += self._cost_s(engine) / self._parallel
            if id(engine) not in comes and self._now + work_s > engine.deadline:
                return True
        return False

    def _drain_s(self) -> float:
        """The longest that something may have to finish before it can leave for what is due."""
        replicas = (replica for slot in self._placement.free for replica in slot.replicas)
        busy = (r.engine.costs.finishing_s for r in replicas if r.in_use and movable(r))
        return max(busy, default=0.0)

    def _place_due(self, engine: EngineState) -> None:
        def must_yield(replica: Replica) -> bool:
            return movable(replica) and replica.engine.deadline > engine.deadline

        if option := self._placement.cheapest(engine, must_yield):
            self._change(option.slot, option.leaving, engine, DUE)

    # Loads that are worth it.

    def _by_worth(self, contenders: list[EngineState]) -> list[tuple[EngineState, bool]]:
        """The impatient first, then those with the most work (they are the last to finish).

        Without an age bound, the stage counts before the work: what comes later may still grow. Of
        one stage, those go last that will be asked again.
        """

        def order(contender: tuple[EngineState, bool]) -> tuple[float, int, bool, float, str]:
            engine, impatient = contender
            if impatient:
                return (engine.oldest, 0, False, 0.0, engine.name)
            work = engine.waiting * engine.costs.service_s
            if engine.deadline < math.inf:
                return (math.inf, FIRST, False, -work, engine.name)
            return (math.inf, engine.stage, engine.unhurried > 0, -work, engine.name)

        return sorted(((e, self._impatient(e)) for e in contenders), key=order)

    def _place_if_worth(self, engine: EngineState, impatient: bool) -> None:
        def may_yield(replica: Replica) -> bool:
            rests = at_rest(replica)
            return rests or (movable(replica) and self._stage_over(replica, engine))

        option = (
            self._placement.cheapest(engine, may_yield)
            if impatient
            else self._placement.cheapest_at_rest(engine)
        )
        if option is None or (not impatient and self._should_gather(engine, option)):
            return
        if engine.deadline == math.inf and self._in_the_way(option):
            return
        if impatient:
            self._change(option.slot, option.leaving, engine, "waited long enough")
        elif option.held_up <= engine.waiting or self._waited_as_long(engine, option):
            self._change(option.slot, option.leaving, engine, WORTH_IT)
        else:
            self._again_in_silence(engine.waiting, option)

    def _in_the_way(self, option: Option) -> bool:
        """The last free slot would still be moving when a load that is due by then must begin."""
        if len(self._placement.free) > 1:
            return False
        return self._next_due < self._now + (1 + LATE) * option.seconds

    def _should_gather(self, engine: EngineState, option: Option) -> bool:
        """It would drive somebody out, and serves more if it waits; unless nothing else happens."""
        if not option.leaving or not gathers(engine):
            return False
        return bool(self._transitions) or not quiet(self._slots)

    def _again_in_silence(self, requests: int, option: Option) -> None:
        """If nothing more arrives, no event would say when the others are expected no more."""
        room = max(requests - (option.held_up - option.coming), 1.0)
        self._again_at(self._now + SILENCE * option.exposed_s / room)

    def _waited_as_long(self, engine: EngineState, option: Option) -> bool:
        """Where few requests arrive, those that wait need not outnumber those that run.

        They take turns in waiting. A busy slot would then load most when it has least time for it
        (ADR 0004).
        """
        if option.coming >= 1.0:
            return False
        fair_at = engine.oldest + option.held_up * option.seconds / engine.waiting
        self._again_at(fair_at)
        return fair_at <= self._now

    def _impatient(self, engine: EngineState) -> bool:
        patient_until = engine.oldest + self._rules.stage_loads * self._cost_s(engine)
        if patient_until > self._now:
            self._again_at(patient_until)
        return patient_until <= self._now

    def _stage_over(self, replica: Replica, contender: EngineState) -> bool:
        """It has served what waited when it came, and long enough to be worth its load."""
        both_s = self._cost_s(contender) + self._cost_s(replica.engine)
        ends_at = replica.since + self._rules.stage_loads * both_s
        if ends_at <= self._now and replica.engine.oldest >= replica.since:
            return True
        # Its queue may never run empty, so no event would say when the last of them began.
        self._again_at(ends_at if ends_at > self._now else self._now + both_s)
        return False

    # Further replicas.

    def _replicate(self, engine: EngineState) -> None:
        """Every replica is full and the queue outlasts a load: a share of it must be worth one."""
        replicas = engine.replicas
        if any(replica.phase is not Phase.READY or replica.admits for replica in replicas):
            return
        if engine.retry_at > self._now:
            self._again_at(engine.retry_at)
            return
        queue_s = engine.waiting * engine.costs.service_s / (engine.max_in_flight * len(replicas))
        if queue_s <= self._cost_s(engine):
            return
        option = self._placement.cheapest(engine, at_rest)
        if option and option.held_up <= engine.waiting / (len(replicas) + 1):
            self._change(option.slot, option.leaving, engine, "another replica")

    # Loads that nobody waits for yet.

    def _load_ahead(self, engines: Sequence[EngineState]) -> None:
        """Into room that nobody wants, where they hold up fewer than are expected."""
        chosen = {id(transition.engine) for transition in self._transitions}
        passed = [e for e in engines if e.waiting and not e.loading and id(e) not in chosen]
        for engine in worth_loading_ahead(engines, self._now):
            slots = [slot for slot in self._placement.free if has_room_to_spare(slot, passed)]
            option = self._placement.cheapest(engine, unwanted, slots)
            if option is None:
                continue
            if self._in_the_way(option):
                continue
            if option.held_up <= engine.expected:
                self._change(option.slot, option.leaving, engine, AHEAD)
            else:
                self._again_in_silence(engine.expected, option)

    def _cost_s(self, engine: EngineState) -> float:
        """Load, and what must drain and leave before."""
        return self._moves_s(engine) + engine.costs.service_s

    def _moves_s(self, engine: EngineState) -> float:
        return engine.costs.load_s + engine.costs.leave_s

    def _change(
        self, slot: SlotState, leaving: tuple[Replica, ...], engine: EngineState | None, reason: str
    ) -> None:
        self._transitions.append(Transition(slot, leaving, engine, reason))
        self._placement.free.remove(slot)

    def _again_at(self, when: float) -> None:
        if when > self._now:
            self._recheck = min(self._recheck, when)
