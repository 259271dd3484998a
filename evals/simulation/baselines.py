"""What the policy is compared with."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from evals.simulation.traces import Trace
from orchestrator.books import CopyBook, EngineBook, Phase, SlotBook
from orchestrator.residency import Move, Rules, Verdict, decide


def first_come(
    slots: Sequence[SlotBook], waiting: Iterable[EngineBook], now: float, rules: Rules
) -> Verdict:
    return _oldest_first(slots, waiting, busy_may_leave=True)


def llama_swap(
    slots: Sequence[SlotBook], waiting: Iterable[EngineBook], now: float, rules: Rules
) -> Verdict:
    return _oldest_first(slots, waiting, busy_may_leave=False)


def _oldest_first(slots, waiting, *, busy_may_leave):
    free = [slot for slot in slots if slot.up and not slot.moving]
    moves = []
    for engine in sorted((e for e in waiting if not e.resident), key=lambda e: (e.oldest, e.name)):
        if not free:
            break
        move = _least_recently_used(engine, free, lambda copy: copy.idle)
        if move is None and busy_may_leave:
            move = _least_recently_used(engine, free, lambda copy: True)
        if move is not None:
            moves.append(move)
            free.remove(move.slot)
    return Verdict(tuple(moves))


def _least_recently_used(engine, slots, may_leave):
    best, best_key = None, None
    for slot in slots:
        missing = engine.memory_gb - slot.free_gb
        leaving = []
        last = -math.inf
        for copy in sorted(slot.copies, key=lambda c: (c.last_used, c.engine.name)):
            if missing <= 0: break
            if copy.phase is Phase.READY and may_leave(copy):
                leaving.append(copy)
                last = copy.last_used
                missing -= copy.engine.memory_gb
        if missing > 0: continue
        key = (last, -slot.free_gb, slot.id)
        if best is None or key < best_key:
            best, best_key = Move(slot, tuple(leaving), engine, "least recently used"), key
    return best


class Belady:
    def __init__(self, trace: Trace) -> None:
        self._arrivals: dict[str, list[float]] = {name: [] for name in trace.experts}
        for at_s, expert in zip(trace.at_s, trace.expert, strict=True):
            self._arrivals[trace.experts[expert]].append(at_s)
        self._now = 0.0

    def __call__(self, slots, waiting, now, rules):
        self._now = now
        return decide(slots, waiting, now, rules, self._value)

    def _value(self, copy: CopyBook, seconds: float) -> float:
        arrivals = self._arrivals[copy.engine.name]
        nxt = bisect_right(arrivals, self._now)
        if nxt == len(arrivals):
            return 1e6
        return 1e6+seconds / (arrivals[nxt] - self._now)
