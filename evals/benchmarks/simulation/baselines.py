"""What the policy is compared with: first come first served, llama-swap's way, and Belady's.

**First come, first served, with LRU.** All requests stand in one line, and the head of the line
decides. If its expert is resident, it begins there; if its expert is on its way in, it waits
beside the line, together with those behind it that want the same one; else its expert gets a slot,
and the line stands until one can take it. So all slots load at the same time, and several requests
share a load that is under way, but no request overtakes others to be served with its like. What
leaves is the least recently used of the idle, in any slot; only where all are in use, the least
recently used drains.

**Collation as llama-swap does it** (its FIFO scheduler). Requests for a resident expert begin at
once, at most ten of them per expert; the others queue in order of arrival. Whenever something ends,
the queue is walked from its oldest request, and every expert that can be loaded without driving
out one in use is loaded; what waits for it is then served together. llama-swap refuses what exceeds
its limit of ten with HTTP 429; here it waits, so that every request is answered. Which idle expert
leaves is up to its configuration; here it is the least recently used one.

**Belady.** Our own rules, except that it knows the trace: the expert whose next request comes last
leaves. It counts nothing but loads, so it never loads before an age bound demands it.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from evals.benchmarks.simulation.events import Contestant
from evals.benchmarks.simulation.traces import Trace
from orchestrator.residency.machine.policy import (
    WORTH_IT,
    PolicyDecision,
    Rules,
    Transition,
    decide,
)
from orchestrator.residency.machine.state import EngineState, Phase, Replica, SlotState

LLAMA_SWAP_IN_FLIGHT = 10
"""Its default limit per model."""


def contestants(trace: Trace) -> tuple[Contestant, ...]:
    """The two baselines, ours, and the one that knows `trace`."""
    return (
        Contestant("first come + LRU", first_come, one_line=True, heeds_bounds=False),
        Contestant(
            "llama-swap's collation",
            collate,
            max_in_flight=LLAMA_SWAP_IN_FLIGHT,
            heeds_bounds=False,
        ),
        Contestant("ours", decide),
        Contestant("Belady (knows the trace)", Belady(trace)),
    )


def first_come(
    slots: Sequence[SlotState], waiting: Iterable[EngineState], now: float, rules: Rules
) -> PolicyDecision:
    """Whoever has waited longest is loaded first; the idle leave before those in use."""
    del now, rules

    def place(engine: EngineState, free: Sequence[SlotState]) -> Transition | None:
        return _evict_oldest(engine, free, _idle) or _evict_oldest(engine, free, _anybody)

    return _in_order(slots, waiting, place)


def collate(
    slots: Sequence[SlotState], waiting: Iterable[EngineState], now: float, rules: Rules
) -> PolicyDecision:
    """Whoever has waited longest is loaded first, but only the idle leave."""
    del now, rules
    return _in_order(slots, waiting, lambda engine, free: _evict_oldest(engine, free, _idle))


class Belady:
    """`decide` with the future known."""

    def __init__(self, trace: Trace) -> None:
        self._arrivals: dict[str, list[float]] = {name: [] for name in trace.experts}
        for at_s, expert in zip(trace.at_s, trace.expert, strict=True):
            self._arrivals[trace.experts[expert]].append(at_s)
        self._now = 0.0

    def __call__(
        self,
        slots: Sequence[SlotState],
        waiting: Iterable[EngineState],
        now: float,
        rules: Rules,
    ) -> PolicyDecision:
        """A policy."""
        self._now = now
        decision = decide(slots, waiting, now, rules, self._value)
        transitions = tuple(
            t for t in decision.transitions if t.reason != WORTH_IT or not t.leaving
        )
        return replace(decision, transitions=transitions)

    def _value(self, replica: Replica, seconds: float) -> float:
        """The later the next request, the lower."""
        arrivals = self._arrivals[replica.engine.name]
        following = bisect_right(arrivals, self._now)
        if following == len(arrivals):
            return 0.0
        return seconds / (arrivals[following] - self._now)


_Place = Callable[[EngineState, Sequence[SlotState]], Transition | None]


def _in_order(
    slots: Sequence[SlotState], waiting: Iterable[EngineState], place: _Place
) -> PolicyDecision:
    free = [slot for slot in slots if slot.up and not slot.in_transition]
    transitions: list[Transition] = []
    refused_gb = math.inf
    contenders = [engine for engine in waiting if engine.waiting and not engine.resident]
    for engine in sorted(contenders, key=lambda e: (e.oldest, e.name)):
        if engine.memory_gb >= refused_gb:
            continue  # A smaller one found no room.
        transition = place(engine, free)
        if transition is None:
            refused_gb = engine.memory_gb
        else:
            transitions.append(transition)
            free.remove(transition.slot)
    return PolicyDecision(tuple(transitions))


def _evict_oldest(
    engine: EngineState, slots: Sequence[SlotState], may_leave: Callable[[Replica], bool]
) -> Transition | None:
    """In the slot where the replicas that must leave have been unused for longest."""
    best: tuple[tuple[float, float, str], Transition] | None = None
    for slot in slots:
        missing = engine.memory_gb - slot.free_gb
        leaving: list[Replica] = []
        candidates = [c for c in slot.replicas if c.phase is Phase.READY and may_leave(c)]
        for replica in sorted(candidates, key=lambda c: (c.last_used, c.engine.name)):
            if missing <= 0:
                break
            leaving.append(replica)
            missing -= replica.engine.memory_gb
        if missing > 0:
            continue
        rank = (leaving[-1].last_used if leaving else -math.inf, -slot.free_gb, slot.id)
        if best is None or rank < best[0]:
            best = (rank, Transition(slot, tuple(leaving), engine, "least recently used"))
    return best[1] if best else None


def _idle(replica: Replica) -> bool:
    return replica.idle


def _anybody(replica: Replica) -> bool:
    del replica
    return True
