"""How a batch runs: each engine is loaded once, the longest first. Pure.

A slot is taken to work on one engine after another. That is what its engines' shared compute
amounts to, and it makes the forecast simple enough to check by hand. Engines stay until their
memory is needed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.residency.machine.costs import Costs

Entry = Mapping[str, Any]
"""What a pool tells of an engine: its `memory_gb`, its costs, and which of them are `measured`."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one engine has to do, and what its coming and going takes."""

    engine: str
    memory_gb: float
    load_s: float
    work_s: float
    """All its requests, once it is loaded."""
    leave_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stay:
    """One load: from `begins_s` the slot loads the engine, at `ends_s` its requests are done."""

    engine: str
    slot: int
    begins_s: float
    ends_s: float
    evicts: tuple[str, ...] = ()
    """What leaves for it first; that is part of the time."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The loads in the order in which they begin."""

    stays: tuple[Stay, ...]
    total_s: float
    """When the last slot is done."""
    too_large: tuple[str, ...] = ()
    """Engines that fit into no slot."""

    @property
    def loads(self) -> int:
        """How many loads that takes."""
        return len(self.stays)


@dataclass(slots=True)
class _Slot:
    number: int
    budget_gb: float
    free_at_s: float = 0.0
    residents: list[Work] = field(default_factory=list)

    def stay(self, work: Work) -> None:
        """It is here already."""
        self.free_at_s += work.work_s
        self.residents.append(work)

    def take(self, work: Work) -> Stay:
        evicted: list[Work] = []
        while sum(w.memory_gb for w in (*self.residents, work)) > self.budget_gb:
            evicted.append(self.residents.pop(0))
        begins_s = self.free_at_s
        moves_s = sum(w.leave_s for w in evicted) + work.load_s
        self.free_at_s += moves_s + work.work_s
        self.residents.append(work)
        names = tuple(w.engine for w in evicted)
        return Stay(work.engine, self.number, begins_s, self.free_at_s, names)


def is_measured(entry: Entry) -> bool:
    """Whether it is known what a load and a request of the engine take."""
    return {"load_s", "share_s"} <= set(entry.get("measured", ()))


def work_of(
    engine: str, calls: int, in_flight: int, memory_gb: float, entry: Entry | None = None
) -> Work:
    """What so many calls take, by what was measured or else assumed.

    Measured, every call has its share of the slot's time; else a wave of `in_flight` calls takes as
    long as one of them.
    """
    assumed, known = Costs(), entry or {}
    load_s = known.get("load_s", assumed.load_s)
    if "share_s" in known.get("measured", ()):
        work_s = calls * known["share_s"]
    else:
        work_s = math.ceil(calls / in_flight) * known.get("service_s", assumed.service_s)
    return Work(engine, memory_gb, load_s, work_s, known.get("leave_s", assumed.leave_s))


def forecast(
    works: Iterable[Work],
    budgets_gb: Sequence[float],
    resident: Sequence[Iterable[str]] = (),
) -> Forecast:
    """Give each engine, the longest first, to the slot that is free first and can hold it.

    What is `resident`, by slot, begins there without a load.
    """
    slots = [_Slot(number, budget_gb) for number, budget_gb in enumerate(budgets_gb)]
    there = {name: slot for slot, names in zip(slots, resident, strict=False) for name in names}
    stays: list[Stay] = []
    too_large: list[str] = []
    longest = sorted(works, key=lambda w: (-(w.load_s + w.work_s), w.engine))
    for work in [one for one in longest if one.engine in there]:
        there[work.engine].stay(work)
    for work in [one for one in longest if one.engine not in there]:
        fitting = [slot for slot in slots if work.memory_gb <= slot.budget_gb]
        if not fitting:
            too_large.append(work.engine)
            continue
        stays.append(min(fitting, key=lambda s: (s.free_at_s, s.number)).take(work))
    stays.sort(key=lambda stay: (stay.begins_s, stay.slot))
    total_s = max((slot.free_at_s for slot in slots), default=0.0)
    return Forecast(tuple(stays), total_s, tuple(too_large))
