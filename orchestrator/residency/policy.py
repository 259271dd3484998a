"""Pure policy: which slot loads what, who leaves for it, and when. No clock, no I/O.

Requests queue by engine. A load must be worth it, or due:

- **Worth it**: it holds up no more requests than wait for it. Held up are those of the engine that
  leaves, for as long as coming back takes, and, where a load blocks its slot, those of everybody
  else there. So an idle slot loads at once, and a busy one first finishes what it has. In a quiet
  slot it is enough to have waited for as long as the others would be held up.
- **Due**: a request would else wait longer than its class's age bound. Deadlines are met earliest
  first; since loads take turns in the slots, work begins as early as the sum of them demands.
- Requests without an age bound have patience instead: `stage_loads` times what the load takes. An
  engine that has served all that waited when it came, and for as long, then makes room.

Grouping follows: what waits meanwhile is served by one load. `decide` is called whenever
something changed and at `Verdict.recheck_at`; the books must not change during a call.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from orchestrator.residency.state import EngineState, Phase, Replica, SlotState

WORTH_IT = "worth it"
"""The reason of a load that nothing but its worth has caused."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy's settings."""

    stage_loads: float = 20.0
    rate_window_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Move:
    """What a slot does next: `leaving` drain and go, then `engine`, if any, comes.

    A wake is a move whose engine is in `slot.asleep`; `reason` is a few words for people.
    """

    slot: SlotState
    leaving: tuple[Replica, ...]
    engine: EngineState | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now, and when to ask again at the latest. Slots without a move serve, or wait."""

    moves: tuple[Move, ...]
    recheck_at: float = math.inf


KeepValue = Callable[[Replica, float], float]
"""(copy, seconds that it would be gone) -> requests that would have to wait for it."""

Policy = Callable[[Sequence[SlotState], Iterable[EngineState], float, Rules], Verdict]


def decide(
    slots: Sequence[SlotState],
    waiting: Iterable[EngineState],
    now: float,
    rules: Rules,
    keep_value: KeepValue | None = None,
) -> Verdict:
    """The next moves; at most one per slot, and none for a slot that moves already.

    `waiting` are the engines that requests wait for (others do no harm). `keep_value` replaces the
    estimate from arrival rates, for comparisons with one that knows the future.
    """
    return _Decision(slots, now, rules, keep_value).run(tuple(waiting))


@dataclass(frozen=True, slots=True)
class _Option:
    slot: SlotState
    leaving: tuple[Replica, ...]
    held_up: float
    coming: float
    """Those of them that are not there yet."""
    seconds: float
    rank: tuple[float, float, int, float, str]
    """The lowest one is taken."""


_RANK = attrgetter("rank")


class _Decision:
    """One call of the policy."""

    def __init__(
        self,
        slots: Sequence[SlotState],
        now: float,
        rules: Rules,
        keep_value: KeepValue | None,
    ) -> None:
        self._now = now
        self._rules = rules
        self._value = keep_value or self._expected_requests
        self._parallel = max(1, sum(slot.up for slot in slots))
        self._free = [slot for slot in slots if slot.up and not slot.moving]
        self._moves: list[Move] = []
        self._recheck = math.inf
        # The books stand still during a call, so what is found out once holds.
        self._rates: dict[int, float] = {}
        self._ranked: dict[int, list[Replica]] = {}
        self._resting: dict[tuple[str, float, float], _Option | None] = {}

    def run(self, waiting: Sequence[EngineState]) -> Verdict:
        self._tidy()
        wanted = [e for e in waiting if e.waiting]
        for engine in wanted:
            self._again_at(engine.retry_at)
        ready = [e for e in wanted if e.retry_at <= self._now]
        contenders = [e for e in ready if not e.resident]
        if contenders and self._free:
            due = self._due(contenders)
            for engine in due:
                self._place_due(engine)
            chosen = set(map(id, due))
            others = [e for e in contenders if id(e) not in chosen]
            for engine, impatient in self._by_worth(others):
                if self._free:
                    self._place_if_worth(engine, impatient)
        for engine in (e for e in ready if e.resident):
            self._replicate(engine)
        return Verdict(tuple(self._moves), self._recheck)

    # What must leave whoever comes.

    def _tidy(self) -> None:
        for slot in tuple(self._free):
            if slot.free_gb < 0 and (leaving := self._make_room(slot, 0.0, self._spare(slot))):
                self._move(slot, leaving, None, "over its memory budget")
                continue
            stale = [copy for copy in slot.copies if self._stale(copy)]
            if stale:
                self._move(slot, tuple(stale), None, "idle for max_idle_s")

    def _stale(self, copy: Replica) -> bool:
        limit = copy.engine.max_idle_s
        if limit == math.inf or copy.phase is not Phase.READY or not copy.idle:
            return False
        ends_at = copy.last_used + limit
        self._again_at(ends_at)
        return ends_at <= self._now and not copy.engine.pinned

    # Loads that are due.

    def _due(self, contenders: list[EngineState]) -> list[EngineState]:
        """Those that must begin now for every deadline to be met, the earliest first."""
        bounded = sorted(
            (e for e in contenders if e.deadline < math.inf), key=lambda e: (e.deadline, e.name)
        )
        work_s, due = 0.0, 0
        for position, engine in enumerate(bounded, start=1):
            work_s += self._cost_s(engine)
            # The last round of parallel loads takes a whole load, however many slots there are.
            ahead_s = max(work_s / self._parallel, self._cost_s(engine))
            begin_at = engine.deadline - ahead_s
            if begin_at <= self._now:
                due = position
            else:
                self._again_at(begin_at)
        return bounded[:due]

    def _place_due(self, engine: EngineState) -> None:
        def must_yield(copy: Replica) -> bool:
            return self._movable(copy) and copy.engine.deadline > engine.deadline

        if option := self._cheapest(engine, must_yield):
            self._take(option, engine, "its age bound is near")

    # Loads that are worth it.

    def _by_worth(self, contenders: list[EngineState]) -> list[tuple[EngineState, bool]]:
        """Who has lost patience first, then the most work first (it is the last to finish)."""

        def order(contender: tuple[EngineState, bool]) -> tuple[float, float, str]:
            engine, impatient = contender
            work = engine.waiting * engine.costs.service_s
            return (
                (engine.oldest, 0.0, engine.name) if impatient else (math.inf, -work, engine.name)
            )

        return sorted(((e, self._impatient(e)) for e in contenders), key=order)

    def _place_if_worth(self, engine: EngineState, impatient: bool) -> None:
        def may_yield(copy: Replica) -> bool:
            rests = self._at_rest(copy)
            return rests or (self._movable(copy) and self._stage_over(copy, engine))

        option = self._cheapest(engine, may_yield) if impatient else self._cheapest_at_rest(engine)
        if option is None:
            return
        if impatient:
            self._take(option, engine, "waited long enough")
        elif option.held_up <= engine.waiting or self._waited_as_long(engine, option):
            self._take(option, engine, WORTH_IT)

    def _waited_as_long(self, engine: EngineState, option: _Option) -> bool:
        """Where few come, who waits need not outnumber who runs: they take turns in waiting.

        In a busy slot that would load most when it has least time for it (ADR 0004).
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

    def _stage_over(self, copy: Replica, contender: EngineState) -> bool:
        """It has served what waited when it came, and long enough to be worth its load."""
        both_s = self._cost_s(contender) + self._cost_s(copy.engine)
        ends_at = copy.since + self._rules.stage_loads * both_s
        if ends_at <= self._now and copy.engine.oldest >= copy.since:
            return True
        # Its queue may never run empty, so nobody else would say when the last of them began.
        self._again_at(ends_at if ends_at > self._now else self._now + both_s)
        return False

    # Further copies.

    def _replicate(self, engine: EngineState) -> None:
        """Every copy is full and the queue outlasts a load: its share of it must be worth it."""
        copies = engine.copies
        if any(copy.phase is not Phase.READY or copy.admits for copy in copies):
            return
        if engine.retry_at > self._now:
            self._again_at(engine.retry_at)
            return
        queue_s = engine.waiting * engine.costs.service_s / (engine.max_in_flight * len(copies))
        if queue_s <= self._cost_s(engine):
            return
        option = self._cheapest(engine, self._at_rest)
        if option and option.held_up <= engine.waiting / (len(copies) + 1):
            self._take(option, engine, "another copy")

    # Finding room.

    def _cheapest(
        self, engine: EngineState, may_leave: Callable[[Replica], bool]
    ) -> _Option | None:
        options = [o for slot in self._free if (o := self._option(engine, slot, may_leave))]
        return min(options, key=_RANK, default=None)

    def _cheapest_at_rest(self, engine: EngineState) -> _Option | None:
        """The same for an engine without copies: who waits is many, and what they find is alike."""
        best: _Option | None = None
        for slot in self._free:
            key = (slot.id, engine.memory_gb, slot.move_s(engine))
            if key not in self._resting:
                self._resting[key] = self._option(engine, slot, self._at_rest)
            option = self._resting[key]
            if option and (best is None or option.rank < best.rank):
                best = option
        return best

    def _option(
        self, engine: EngineState, slot: SlotState, may_leave: Callable[[Replica], bool]
    ) -> _Option | None:
        if engine.copies and any(copy.slot is slot for copy in engine.copies):
            return None
        leaving = self._make_room(slot, engine.memory_gb, may_leave)
        if leaving is None:
            return None
        seconds = slot.move_s(engine)
        present, coming = 0.0, 0.0
        for copy in slot.copies:
            if copy in leaving:
                drain_s = copy.engine.costs.service_s if copy.in_use else 0.0
                gone_s = drain_s + seconds + copy.engine.costs.wake_s
                present += copy.engine.waiting
                coming += self._value(copy, gone_s)
            elif slot.load_blocks:
                present += copy.in_use
                coming += self._expected_requests(copy, seconds)
        drain_s = max((c.engine.costs.service_s for c in leaving if c.in_use), default=0.0)
        held_up, seconds = present + coming, seconds + drain_s
        rank = (held_up, seconds, len(leaving), -slot.free_gb, slot.id)
        return _Option(slot, leaving, held_up, coming, seconds, rank)

    def _make_room(
        self, slot: SlotState, need_gb: float, may_leave: Callable[[Replica], bool]
    ) -> tuple[Replica, ...] | None:
        """The copies of least value whose going leaves `need_gb` free; None if nothing does."""
        missing = need_gb - slot.free_gb
        if missing <= 0:
            return ()
        leaving: list[Replica] = []
        for copy in self._by_loss(slot):
            if not may_leave(copy):
                continue
            leaving.append(copy)
            missing -= copy.engine.memory_gb
            if missing <= 0:
                break
        if missing > 0:
            return None
        # A large one that left late may have made an earlier, smaller one superfluous.
        for copy in tuple(reversed(leaving)):
            if missing + copy.engine.memory_gb <= 0:
                leaving.remove(copy)
                missing += copy.engine.memory_gb
        return tuple(leaving)

    def _by_loss(self, slot: SlotState) -> list[Replica]:
        found = self._ranked.get(id(slot))
        if found is None:
            found = self._ranked[id(slot)] = sorted(slot.copies, key=self._loss)
        return found

    def _loss(self, copy: Replica) -> tuple[float, bool, float, str]:
        """Who leaves first: few requests lost per GiB won, then idle, then unused for long."""
        engine = copy.engine
        lost = engine.waiting + self._value(copy, engine.costs.load_s)
        per_gb = lost / max(engine.memory_gb, 1e-9)
        return (per_gb, copy.in_use > 0, copy.last_used, engine.name)

    def _expected_requests(self, copy: Replica, seconds: float) -> float:
        engine = copy.engine
        rate = self._rates.get(id(engine))
        if rate is None:
            rate = engine.rate(self._now, self._rules.rate_window_s)
            self._rates[id(engine)] = rate
        return rate * seconds / len(engine.copies)

    def _movable(self, copy: Replica) -> bool:
        return copy.phase is Phase.READY and not copy.engine.pinned

    def _at_rest(self, copy: Replica) -> bool:
        """It has nothing left to begin, so it can drain at once."""
        return not copy.engine.waiting and self._movable(copy)

    def _spare(self, slot: SlotState) -> Callable[[Replica], bool]:
        """To get below the budget, anyone may leave but the last one."""
        return lambda copy: self._movable(copy) and len(slot.copies) > 1

    def _cost_s(self, engine: EngineState) -> float:
        """Load, and what must drain and leave before."""
        return engine.costs.load_s + engine.costs.leave_s + engine.costs.service_s

    # Books of this call.

    def _take(self, option: _Option, engine: EngineState, reason: str) -> None:
        self._move(option.slot, option.leaving, engine, reason)

    def _move(
        self,
        slot: SlotState,
        leaving: tuple[Replica, ...],
        engine: EngineState | None,
        reason: str,
    ) -> None:
        self._moves.append(Move(slot, leaving, engine, reason))
        self._free.remove(slot)

    def _again_at(self, when: float) -> None:
        if when > self._now:
            self._recheck = min(self._recheck, when)
