"""How many slots are enough: plays one number of them after the other, and finds what limits."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evals.benchmarks.sizing.events import Played, SizedSimulation
from evals.benchmarks.sizing.pool import Pool
from evals.benchmarks.sizing.speeds import Needs
from evals.benchmarks.sizing.traffic import Traffic

FAR_OFF = 10.0
"""Where waits are so many times as long as wished, twice as many slots are tried next."""
ONE_BY_ONE = 8
"""Else, up to so many slots, each number is tried; then they grow by a quarter."""
BUSY = 0.9
"""An engine that takes so much of a slot by itself needs a second replica."""
SPARE = 0.5
"""Where less of the compute is asked for, calls that wait have come in a burst."""
Limit = str
MEMORY, COMPUTE, SHARED, BURST = "memory", "compute", "shared compute", "burst"
AND = " and "
"""Between memory and what would limit without any loads, where both do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is enough."""

    p95_s: Mapping[str, float]
    """Class -> seconds within which 95 % of its calls must begin."""
    slowdown: float = 3.0
    """How many times as long as alone the answers may take together, once they have begun."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from arrival to admission."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What calls have really waited, and in how many slots."""

    waits: Waits
    slots: int


@dataclass(frozen=True, slots=True)
class Row:
    """What so many slots make of the traffic."""

    slots: int
    computing: float
    """Of what the slots could compute, the share that is asked for; above 1 it piles up."""
    waits: Mapping[str, Waits]
    """By class, of those that the wish names; empty where it would pile up for ever."""
    answer_p95_s: float = math.nan
    slowdown: float = math.nan
    loads: int = 0
    cold_loads: int = 0
    loads_per_minute: float = 0.0
    loading: float = 0.0
    """The share of the slots' time during which they load."""
    refused: int = 0
    """Calls that found the queue full."""
    enough: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found."""

    rows: tuple[Row, ...]
    enough: int | None
    """Slots; None where no number of them is."""
    limit: Limit | None = None
    """Of one slot less, or of the most that were tried."""
    hot: tuple[tuple[str, float], ...] = ()
    """Engines that alone take nearly a slot or more: their shares."""


class Study:
    """One traffic and one pool, on any number of slots."""

    def __init__(self, pool: Pool, traffic: Traffic, needs: Sequence[Needs], wish: Wish) -> None:
        self._pool, self._traffic, self._needs, self._wish = pool, traffic, needs, wish
        self._work_s = sum(one.work_s for one in needs)
        # Where all come at once there is nothing to keep up with: they are done one day.
        self._span_s = traffic.span_s or math.inf

    def computing(self, slots: int) -> float:
        """The share of the slots' compute that is asked for."""
        return self._work_s / (slots * self._span_s)

    def hot(self) -> tuple[tuple[str, float], ...]:
        """Engines that need most of a slot by themselves, the busiest first."""
        engine_of, engines = self._pool.engine_of, self._pool.engines
        shares: defaultdict[str, float] = defaultdict(float)
        for call, one in zip(self._traffic.calls, self._needs, strict=True):
            shares[engines[engine_of[call.expert]].name] += one.work_s / self._span_s
        busiest_first = sorted(shares.items(), key=lambda share: (-share[1], share[0]))
        return tuple((name, share) for name, share in busiest_first if share > BUSY)

    def row(self, slots: int, pool: Pool | None = None) -> Row:
        """Play it."""
        computing = self.computing(slots)
        if computing > 1.0 or not _pins_fit(self._pool, slots):
            return Row(slots, computing, {})
        played = SizedSimulation(pool or self._pool, slots, self._traffic.calls, self._needs).play()
        return self._sum_up(slots, computing, played)

    def limit(self, row: Row) -> Limit:
        """What keeps so many from being enough: memory, if without any loads they were."""
        if row.computing > 1.0:
            return COMPUTE
        if not row.waits:
            return MEMORY
        free = self.row(row.slots, roomy(self._pool))
        if free.enough:
            return MEMORY
        other = self._without_loads(free)
        return f"{MEMORY}{AND}{other}" if row.loads else other

    def _without_loads(self, free: Row) -> Limit:
        """What limits where there is room for all: waits, or only how long the answers take."""
        wished = self._wish.p95_s
        late = free.refused or any(one.p95 > wished[kind] for kind, one in free.waits.items())
        if not late:
            return SHARED
        return BURST if free.computing < SPARE else COMPUTE

    def next_after(self, row: Row) -> int:
        """How many slots to try after so many that were not enough."""
        wished = self._wish.p95_s
        far = any(waits.p95 > FAR_OFF * wished[kind] for kind, waits in row.waits.items())
        if far:
            return 2 * row.slots
        return row.slots + 1 if row.slots < ONE_BY_ONE else math.ceil(1.25 * row.slots)

    def _sum_up(self, slots: int, computing: float, played: Played) -> Row:
        calls = self._traffic.calls
        waits, answers = np.array(played.waits_s), np.array(played.answers_s)
        served = ~np.isnan(answers)
        alone = np.array([one.alone_s for one in self._needs])
        kinds = np.array([call.kind for call in calls])
        arrived = np.array([call.at_s for call in calls])
        took_s = float(np.max((arrived + answers)[served])) if served.any() else math.inf
        by_class = {
            kind: waits_of(waits[served & (kinds == kind)])
            for kind in self._wish.p95_s
            if (served & (kinds == kind)).any()
        }
        # Together: of an answer of two tokens nobody minds that it takes three times as long.
        taken_s, alone_s = (float(s[served].sum()) for s in (answers - waits, alone))
        slowdown = taken_s / alone_s if alone_s else math.inf
        within = all(found.p95 <= self._wish.p95_s[kind] for kind, found in by_class.items())
        loading_s = sum(load.seconds for load in played.loads)
        return Row(
            slots,
            computing,
            by_class,
            float(np.percentile(answers[served], 95)) if served.any() else math.inf,
            slowdown,
            len(played.loads),
            sum(not load.warm for load in played.loads),
            60 * len(played.loads) / took_s,
            loading_s / (slots * took_s),
            played.refused,
            within and slowdown <= self._wish.slowdown and not played.refused,
        )


def search(study: Study, most: int, doing: Callable[[str], None]) -> Answer:
    """The least number of slots that is enough, of at most `most`, with those around it."""
    rows: dict[int, Row] = {}

    def enough(slots: int) -> bool:
        if slots not in rows:
            doing(f"{slots} {'slot' if slots == 1 else 'slots'}")
            rows[slots] = study.row(slots)
        return rows[slots].enough

    failed, slots = 0, 1
    while slots < most and not enough(slots):
        failed, slots = slots, min(most, study.next_after(rows[slots]))
    if not enough(slots):
        doing("what limits")
        return Answer(_shown(rows), None, study.limit(rows[slots]), study.hot())
    while slots - failed > 1:
        middle = (failed + slots) // 2
        failed, slots = (failed, middle) if enough(middle) else (middle, slots)
    if slots < most:
        enough(slots + 1)
    limit = None
    if failed:
        doing("what limits")
        limit = study.limit(rows[failed])
    return Answer(_shown(rows), slots, limit, study.hot())


def roomy(pool: Pool) -> Pool:
    """The same in slots that hold everything: nothing is ever loaded."""
    all_gb = sum(engine.memory_gb for engine in pool.engines)
    return replace(pool, slot_gb=pool.base_gb + all_gb, preload=True)


def _pins_fit(pool: Pool, slots: int) -> bool:
    """Whether all that are pinned can stay."""
    return replace(pool, engines=tuple(e for e in pool.engines if e.pinned)).holds_all(slots)


def _shown(rows: Mapping[int, Row]) -> tuple[Row, ...]:
    """By their slots; of those where it would pile up, the last one says enough."""
    ordered = [rows[slots] for slots in sorted(rows)]
    piling = [row for row in ordered if not row.waits]
    return (*piling[-1:], *(row for row in ordered if row.waits))


def waits_of(seconds: Sequence[float] | NDArray[np.float64]) -> Waits:
    """The figures of some waits."""
    p50, p95, p99 = (float(one) for one in np.percentile(seconds, (50, 95, 99)))
    return Waits(p50, p95, p99)
