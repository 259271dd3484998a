"""Where an engine could go, what would leave for it, and what that would hold up. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from orchestrator.residency.machine.state import EngineState, Phase, Replica, SlotState

KeepValue = Callable[[Replica, float], float]
"""(replica, seconds that it would be gone) -> requests that would have to wait for it."""

MayLeave = Callable[[Replica], bool]


@dataclass(frozen=True, slots=True)
class Option:
    """One slot that an engine could go to."""

    slot: SlotState
    leaving: tuple[Replica, ...]
    held_up: float
    """Requests that would have to wait for it."""
    coming: float
    """Those of them that have not arrived yet."""
    exposed_s: float
    """For how long they could arrive, summed over their engines."""
    seconds: float
    rank: tuple[float, float, int, float, str]
    """The option with the lowest one is taken."""


_RANK = attrgetter("rank")


class Placement:
    """The options of one call of the policy. The state must not change meanwhile."""

    def __init__(
        self,
        slots: Sequence[SlotState],
        now: float,
        rate_window_s: float,
        keep_value: KeepValue | None,
    ) -> None:
        self.free = [s for s in slots if s.up and not s.in_transition and not s.closing]
        """Slots that nothing has been decided for yet."""
        self._now = now
        self._rate_window_s = rate_window_s
        self._value = keep_value or self._expected_requests
        # The state stands still during a call, so what is found out once holds.
        self._rates: dict[int, float] = {}
        self._ranked: dict[int, list[Replica]] = {}
        self._resting: dict[tuple[str, float, float], Option | None] = {}

    def cheapest(
        self, engine: EngineState, may_leave: MayLeave, among: Sequence[SlotState] | None = None
    ) -> Option | None:
        slots = self.free if among is None else among
        options = [o for slot in slots if (o := self._option(engine, slot, may_leave))]
        return min(options, key=_RANK, default=None)

    def cheapest_at_rest(self, engine: EngineState) -> Option | None:
        """The same for engines without replicas, which are many and find the same options."""
        best: Option | None = None
        for slot in self.free:
            key = (slot.id, engine.memory_gb, slot.load_s(engine))
            if key not in self._resting:
                self._resting[key] = self._option(engine, slot, at_rest)
            option = self._resting[key]
            if option and (best is None or option.rank < best.rank):
                best = option
        return best

    def _option(self, engine: EngineState, slot: SlotState, may_leave: MayLeave) -> Option | None:
        if engine.replicas and any(replica.slot is slot for replica in engine.replicas):
            return None
        leaving = self.make_room(slot, engine.memory_gb, may_leave)
        if leaving is None:
            return None
        seconds = slot.load_s(engine)
        present, coming, exposed_s = 0.0, 0.0, 0.0
        for replica in slot.replicas:
            if replica in leaving:
                drain_s = replica.engine.costs.finishing_s if replica.in_use else 0.0
                gone_s = drain_s + seconds + replica.engine.costs.wake_s
                present += replica.engine.waiting
                coming += self._value(replica, gone_s)
                exposed_s += gone_s
            elif slot.load_blocks:
                present += replica.in_use
                coming += self._expected_requests(replica, seconds)
                exposed_s += seconds
        drain_s = max((c.engine.costs.finishing_s for c in leaving if c.in_use), default=0.0)
        leave_s = sum(replica.engine.costs.leave_s for replica in leaving)
        held_up, seconds = present + coming, drain_s + leave_s + seconds
        rank = (held_up, seconds, len(leaving), -slot.free_gb, slot.id)
        return Option(slot, leaving, held_up, coming, exposed_s, seconds, rank)

    def make_room(
        self, slot: SlotState, need_gb: float, may_leave: MayLeave
    ) -> tuple[Replica, ...] | None:
        """The least valuable replicas whose departure leaves `need_gb` free; None if none do.

        Engines that sleep are in nobody's way: they are dropped before a load.
        """
        missing = need_gb - slot.free_gb - slot.asleep_gb
        if missing <= 0:
            return ()
        leaving: list[Replica] = []
        for replica in self._by_loss(slot):
            if not may_leave(replica):
                continue
            leaving.append(replica)
            missing -= replica.engine.memory_gb
            if missing <= 0:
                break
        if missing > 0:
            return None
        # A large one that left late may have made an earlier, smaller one superfluous.
        for replica in tuple(reversed(leaving)):
            if missing + replica.engine.memory_gb <= 0:
                leaving.remove(replica)
                missing += replica.engine.memory_gb
        return tuple(leaving)

    def _by_loss(self, slot: SlotState) -> list[Replica]:
        found = self._ranked.get(id(slot))
        if found is None:
            found = self._ranked[id(slot)] = sorted(slot.replicas, key=self._loss)
        return found

    def _loss(self, replica: Replica) -> tuple[float, bool, float, str]:
        """What leaves first: few requests lost per GiB won, then the idle, then the long unused."""
        engine = replica.engine
        lost = engine.waiting + engine.unhurried + self._value(replica, engine.costs.load_s)
        per_gb = lost / max(engine.memory_gb, 1e-9)
        return (per_gb, replica.in_use > 0, replica.last_used, engine.name)

    def _expected_requests(self, replica: Replica, seconds: float) -> float:
        engine = replica.engine
        rate = self._rates.get(id(engine))
        if rate is None:
            rate = engine.rate(self._now, self._rate_window_s)
            self._rates[id(engine)] = rate
        return rate * seconds / len(engine.replicas)


def movable(replica: Replica) -> bool:
    """Whether it may leave at all."""
    return replica.phase is Phase.READY and not replica.engine.pinned


def at_rest(replica: Replica) -> bool:
    """It has nothing left to begin, so it can drain at once."""
    engine = replica.engine
    return not engine.waiting and not engine.followed and movable(replica)


def unwanted(replica: Replica) -> bool:
    """Nobody uses it, waits for it or has announced a request."""
    return replica.idle and not replica.engine.expected and movable(replica)


def spare(slot: SlotState) -> MayLeave:
    """To get below the budget, every replica may leave but the last one."""
    return lambda replica: movable(replica) and len(slot.replicas) > 1
