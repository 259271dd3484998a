"""Waits and loads over the demand: one curve per baseline, and per age bound for ours."""

from dataclasses import dataclass, replace

import numpy as np

from evals.benchmarks.simulation.baselines import contestants
from evals.benchmarks.simulation.events import Contestant, Outcome, Simulation
from evals.benchmarks.simulation.setting import Setting
from evals.benchmarks.simulation.traces import INTERACTIVE, Trace
from evals.client.progress import Progress
from experts.errors import ConfigError

BOUNDS_S = (1.0, 3.0, 10.0, 30.0)
DEMANDS = (0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
"""As shares of what the slots could serve."""
WARM_UP_S, MEASURED_S = 20.0, 80.0
"""Every slot begins empty; what comes while they fill is not counted."""


@dataclass(frozen=True, slots=True)
class Point:
    """One demand, measured after the warm-up and until the last request came."""

    demand: float
    """Requests per second that came."""
    throughput: float
    """Requests per second that were answered."""
    loads_per_1000: float
    """By requests answered."""
    wait_p95_s: float
    """Of interactive requests, from arrival to admission."""
    wait_max_s: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One policy over all demands."""

    name: str
    age_bound_s: float | None
    points: tuple[Point, ...]


def sweep(setting: Setting, trace: Trace, progress: Progress) -> tuple[Curve, ...]:
    """Stretch the beginning of `trace` to every demand. The policies that know no bound are first.

    Raises ConfigError where all requests of the trace come at once.
    """
    first_come, collation, ours, _ = contestants(trace)
    runs = [(first_come, None), (collation, None), *((ours, bound_s) for bound_s in BOUNDS_S)]
    return tuple(_curve(setting, trace, *run, progress) for run in runs)


def _curve(
    setting: Setting,
    trace: Trace,
    contestant: Contestant,
    bound_s: float | None,
    progress: Progress,
) -> Curve:
    name = contestant.name if bound_s is None else f"{contestant.name}, age bound {bound_s:g} s"
    points = []
    for share in DEMANDS:
        demand = share * setting.machine.capacity
        progress.doing(f"{name}: {demand:.0f} requests/s")
        part = stretched(trace, demand, WARM_UP_S + MEASURED_S)
        run = Simulation(
            part,
            setting.machine,
            contestant,
            age_bounds_s=(bound_s or setting.age_bounds_s[0], setting.age_bounds_s[1]),
            rules=setting.rules,
        )
        points.append(measure(part, demand, run.run()))
    progress.say(f"{name}: up to {max(p.throughput for p in points):.0f} requests/s")
    return Curve(name, bound_s, tuple(points))


def stretched(trace: Trace, demand: float, seconds: float) -> Trace:
    """The beginning of the trace, brought to `demand` requests/s over about `seconds`."""
    start = trace.start(max(2, round(demand * seconds)))
    span_s = start.at_s[-1] - start.at_s[0]
    if span_s == 0:
        raise ConfigError("All requests of the trace come at once: there is no demand to vary.")
    factor = len(start) / demand / span_s
    return replace(start, at_s=[(at - start.at_s[0]) * factor for at in start.at_s])


def measure(trace: Trace, demand: float, outcome: Outcome) -> Point:
    """What happened after the warm-up (or in the last half, where the trace is short)."""
    arrived, answers = np.array(trace.at_s), np.array(outcome.answers_s)
    since_s, until_s = min(WARM_UP_S, float(arrived[-1]) / 2), float(arrived[-1])
    done = arrived + answers
    answered = max(1, int(((done > since_s) & (done <= until_s)).sum()))
    loads = sum(since_s < load.at_s <= until_s for load in outcome.loads)
    counted = (arrived > since_s) & (np.array(trace.kind) == INTERACTIVE)
    waits = np.array(outcome.waits_s)[counted]
    return Point(
        demand,
        throughput=answered / (until_s - since_s),
        loads_per_1000=1000 * loads / answered,
        wait_p95_s=float(np.percentile(waits, 95)) if len(waits) else 0.0,
        wait_max_s=float(waits.max()) if len(waits) else 0.0,
    )
