"""How a batch would run: each engine loaded once, the longest first. Pure.

A slot is taken to work on one engine after another. That is what its engines' shared compute
amounts to, and it makes the forecast simple enough to check by hand. Engines stay until their
memory is needed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


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
    too_large: tuple[str, ...] = ()
    """Engines that fit into no slot."""

    @property
    def loads(self) -> int:
        """How many loads that takes."""
        return len(self.stays)

    @property
    def total_s(self) -> float:
        """When the last slot is done."""
        return max((stay.ends_s for stay in self.stays), default=0.0)


@dataclass(slots=True)
class _Slot:
    number: int
    budget_gb: float
    free_at_s: float = 0.0
    residents: list[Work] = field(default_factory=list)

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


def forecast(works: Iterable[Work], budgets_gb: Sequence[float]) -> Forecast:
    """Give each engine, the longest first, to the slot that is free first and can hold it."""
    slots = [_Slot(number, budget_gb) for number, budget_gb in enumerate(budgets_gb)]
    stays: list[Stay] = []
    too_large: list[str] = []
    for work in sorted(works, key=lambda w: (-(w.load_s + w.work_s), w.engine)):
        fitting = [slot for slot in slots if work.memory_gb <= slot.budget_gb]
        if not fitting:
            too_large.append(work.engine)
            continue
        stays.append(min(fitting, key=lambda s: (s.free_at_s, s.number)).take(work))
    stays.sort(key=lambda stay: (stay.begins_s, stay.slot))
    return Forecast(tuple(stays), tuple(too_large))
