"""The same load on the bare engine and through every gateway, in turn, round by round."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evals.benchmarks.gateways.fake_engine import MODEL
from evals.benchmarks.gateways.kinds import BARE
from evals.benchmarks.gateways.processes import Running
from evals.client.load import LoadClient, target
from evals.client.progress import Progress

TOKENS = 16
QUESTIONS = tuple(f"What is the capital of the country that is number {n}?" for n in range(8))
MOST_REQUESTS = 1_000_000
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: streams or whole answers, and how many at a time."""

    stream: bool
    in_flight: int

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"{'streams' if self.stream else 'whole answers'}, {self.in_flight} in flight"


@dataclass(frozen=True, slots=True)
class Sample:
    """One gateway under one load in one round; times are percentiles 50, 95 and 99, in ms."""

    requests_per_s: float
    cpu_ms: float
    """Processor time for each request."""
    first_ms: tuple[float, ...]
    """To the first event, or to the whole body."""
    total_ms: tuple[float, ...]
    failed: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was measured, by load and gateway, one sample for each round."""

    samples: Mapping[Load, Mapping[str, Sequence[Sample]]]
    memory_mb: Mapping[str, float]
    """Resident at the end."""

    def median(self, load: Load, name: str, pick: Callable[[Sample], float]) -> float:
        """Over the rounds."""
        return statistics.median(pick(sample) for sample in self.samples[load][name])

    def paired(
        self, load: Load, one: str, other: str, of: Callable[[Sample, Sample], float]
    ) -> float:
        """The median over the rounds of what two of one round come to."""
        both = zip(self.samples[load][one], self.samples[load][other], strict=True)
        return statistics.median(of(*pair) for pair in both)

    def added_ms(self, load: Load, name: str, percentile: int) -> float:
        """By how much the percentile of the first event's time is above the bare engine's."""
        at = PERCENTILES.index(percentile)
        return self.paired(load, name, BARE, lambda a, b: a.first_ms[at] - b.first_ms[at])


async def compare(
    client: LoadClient,
    running: Sequence[Running],
    loads: Sequence[Load],
    rounds: int,
    seconds: float,
    progress: Progress,
) -> Comparison:
    """Send every load to everybody for `seconds`, in `rounds`; who begins changes every round."""
    for one in running:
        progress.doing(f"warming up {one.name}")
        for stream in (False, True):
            await _measured(client, one, Load(stream, 32), 1.0)
    samples: dict[Load, dict[str, list[Sample]]] = {
        load: {one.name: [] for one in running} for load in loads
    }
    steps, done = rounds * len(loads) * len(running), 0
    for number in range(rounds):
        begin = number % len(running)
        for load in loads:
            for one in [*running[begin:], *running[:begin]]:
                text = f"round {number + 1} of {rounds}: {load.name}, {one.name}"
                progress.doing(text, done, steps)
                samples[load][one.name].append(await _measured(client, one, load, seconds))
                done += 1
        progress.say(f"round {number + 1} of {rounds} measured")
    return Comparison(samples, {one.name: one.memory_mb() for one in running})


async def _measured(client: LoadClient, one: Running, load: Load, seconds: float) -> Sample:
    asked = target(f"{one.url}/v1", MODEL, QUESTIONS, stream=load.stream, max_tokens=TOKENS)
    job = {
        "targets": [asked],
        "in_flight": load.in_flight,
        "requests": MOST_REQUESTS,
        "seconds": seconds,
    }
    before = one.cpu_s()
    result = await client.run(job, forgiving=True)
    return summarize(result, one.cpu_s() - before)


def summarize(result: Mapping[str, Any], cpu_s: float) -> Sample:
    """The rates and times of one job; of requests that failed, only their number."""
    good = [exchange for exchange in result["exchanges"] if exchange["error"] is None]
    failed = len(result["exchanges"]) - len(good)
    if not good:
        nothing = (float("nan"),) * len(PERCENTILES)
        return Sample(0.0, float("nan"), nothing, nothing, failed)
    first, total = ([1000 * one[key] for one in good] for key in ("first_s", "total_s"))
    return Sample(
        len(good) / result["seconds"],
        1000 * cpu_s / len(good),
        tuple(map(float, np.percentile(first, PERCENTILES))),
        tuple(map(float, np.percentile(total, PERCENTILES))),
        failed,
    )
