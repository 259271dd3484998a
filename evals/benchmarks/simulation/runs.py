"""Runs every contestant over the same trace, and sums up what happened."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evals.benchmarks.simulation.baselines import contestants
from evals.benchmarks.simulation.events import Contestant, Outcome, Simulation
from evals.benchmarks.simulation.setting import ZIPF, Setting
from evals.benchmarks.simulation.sweep import Curve, sweep
from evals.benchmarks.simulation.traces import CLASSES, Trace, read_trace, zipf_trace
from evals.client.progress import Progress

ANSWERED = 0.99


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from arrival to admission."""

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Result:
    """One contestant's run in numbers."""

    name: str
    requests: int
    loads: int
    throughput: float
    """Requests per second, until 99 % were answered: the last ones wait for their age bound with
    none behind them."""
    loading_share: float
    """The share of the slots' time that went into loads."""
    answer_mean_s: float
    """From arrival to the last token."""
    waits: Mapping[str, Waits]
    """By class."""
    wall_s: float
    """What the simulation took."""

    @property
    def loads_per_1000(self) -> float:
        """Loads per thousand requests."""
        return 1000 * self.loads / self.requests


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that was simulated."""

    setting: Setting
    results: tuple[Result, ...]
    """First come, llama-swap, ours, Belady."""
    curves: tuple[Curve, ...] = ()
    """For the picture."""


def make_trace(setting: Setting) -> Trace:
    """Draw it, or read it. Raises ConfigError where the file is wrong."""
    if setting.trace != ZIPF:
        return read_trace(Path(setting.trace))
    return zipf_trace(
        experts=setting.experts,
        requests=setting.requests,
        rate=setting.rate,
        alpha=setting.alpha,
        batch_share=setting.batch_share,
        seed=setting.seed,
    )


def compare(setting: Setting, progress: Progress, *, with_curves: bool = False) -> Study:
    """Run all contestants over the same trace. Raises ConfigError where its file is wrong."""
    trace = make_trace(setting)
    if setting.trace != ZIPF:
        setting = _of_file(setting, trace)
    results = tuple(_run(setting, trace, c, progress) for c in contestants(trace))
    curves = sweep(setting, trace, progress) if with_curves else ()
    return Study(setting, results, curves)


def _of_file(setting: Setting, trace: Trace) -> Setting:
    """The setting with what the file says."""
    span_s = trace.at_s[-1] - trace.at_s[0]
    return replace(
        setting,
        experts=len(trace.experts),
        requests=len(trace),
        rate=len(trace) / span_s if span_s else math.inf,
    )


def _run(setting: Setting, trace: Trace, contestant: Contestant, progress: Progress) -> Result:
    progress.doing(contestant.name)
    simulation = Simulation(
        trace,
        setting.machine,
        contestant,
        age_bounds_s=setting.age_bounds_s,
        rules=setting.rules,
    )
    result = sum_up(contestant.name, trace, setting.machine.slots, simulation.run())
    speed = result.requests / max(result.wall_s, 1e-9) / 1000
    progress.say(
        f"{result.name}: {result.loads} loads, simulated in {result.wall_s:.1f} s"
        f" ({speed:.0f},000 requests/s)"
    )
    return result


def sum_up(name: str, trace: Trace, slots: int, outcome: Outcome) -> Result:
    """The numbers of the table."""
    arrived, kinds = np.array(trace.at_s), np.array(trace.kind)
    waits, answers = np.array(outcome.waits_s), np.array(outcome.answers_s)
    done_s = np.sort(arrived + answers) - arrived[0]
    most = math.ceil(ANSWERED * len(trace))
    loading_s = sum(load.seconds for load in outcome.loads)
    return Result(
        name=name,
        requests=len(trace),
        loads=len(outcome.loads),
        throughput=most / float(done_s[most - 1]),
        loading_share=loading_s / (slots * float(done_s[-1])),
        answer_mean_s=float(answers.mean()),
        waits={
            kind: _waits(waits[kinds == number])
            for number, kind in enumerate(CLASSES)
            if (kinds == number).any()
        },
        wall_s=outcome.wall_s,
    )


def _waits(seconds: Sequence[float]) -> Waits:
    p50, p95, p99, longest = np.percentile(seconds, [50, 95, 99, 100])
    return Waits(float(p50), float(p95), float(p99), float(longest))
