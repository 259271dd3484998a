"""What the gateway costs: an expert's own endpoint and the gateway, side by side in one run."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evals.client.load import LoadClient, load_client, target
from evals.client.progress import Progress
from experts.openai import ExpertClient

LEVELS = (1, 32, 128)
MAX_TOKENS = 64
# Requests per measurement: about a second of work, and no level without several waves.
REQUESTS = {1: 16, 32: 128, 128: 256}
IDLE_PAIRS = 200
ROUTED = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """One side of one round at one load."""

    tokens_per_s: float
    requests_per_s: float
    first_ms_median: float
    first_ms_p95: float


@dataclass(frozen=True, slots=True)
class Pairing:
    """Both sides at one load: `endpoint[i]` and `gateway[i]` belong to the same round."""

    stream: bool
    in_flight: int
    endpoint: tuple[Sample, ...]
    gateway: tuple[Sample, ...]

    @property
    def ratio(self) -> float:
        """Median over the rounds of gateway throughput to endpoint throughput."""
        pairs = zip(self.gateway, self.endpoint, strict=True)
        return statistics.median(g.tokens_per_s / e.tokens_per_s for g, e in pairs)


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that was measured; times are milliseconds, memory GiB."""

    expert: str
    rounds: int
    pairings: tuple[Pairing, ...]
    added_first_ms: float
    route_ms: float | None
    slot_memory_gb: tuple[float, ...]
    residents: int
    experts: int


@dataclass(frozen=True, slots=True)
class Sides:
    """The two URLs that are compared (both end with /v1), and what they are asked."""

    expert: str
    endpoint: str
    gateway: str
    questions: tuple[str, ...]

    def target(self, base_url: str, *, stream: bool, max_tokens: int) -> dict[str, Any]:
        """A load client's target: every request generates exactly `max_tokens` tokens."""
        return target(base_url, self.expert, self.questions, stream=stream, max_tokens=max_tokens)


async def run_bench(
    sides: Sides,
    service_url: str,
    experts: int,
    composition: str | None,
    rounds: int,
    progress: Progress,
) -> Bench:
    """Measure; `composition` names one with a kNN router. Raises ServiceError."""
    async with load_client() as client:
        progress.doing("warming up")
        for url in (sides.endpoint, sides.gateway):
            side = sides.target(url, stream=True, max_tokens=MAX_TOKENS)
            await client.run({"targets": [side], "in_flight": 32, "requests": 64})
        measured: dict[tuple[bool, int], list[tuple[Sample, Sample]]] = {}
        steps = 2 * len(LEVELS) * rounds
        for number in range(rounds):
            for stream in (True, False):
                for level in LEVELS:
                    done = sum(map(len, measured.values()))
                    text = f"round {number + 1} of {rounds}: {level} in flight"
                    progress.doing(text, done, steps)
                    pair = await _pair(client, sides, stream, level, gateway_first=number % 2 > 0)
                    measured.setdefault((stream, level), []).append(pair)
            progress.say(f"round {number + 1} of {rounds} measured")
        progress.doing("comparing the time to the first token when idle")
        added = await _added_first_ms(client, sides)
        progress.doing("measuring the router")
        route = await _route_ms(client, sides, service_url, composition) if composition else None
    pool = await _pool_status(service_url)
    pairings = tuple(
        Pairing(stream, level, tuple(e for e, _ in pairs), tuple(g for _, g in pairs))
        for (stream, level), pairs in measured.items()
    )
    memory = tuple(slot["memory_gb"] for slot in pool["slots"])
    residents = len({name for slot in pool["slots"] for name in slot["residents"]})
    return Bench(sides.expert, rounds, pairings, added, route, memory, residents, experts)


async def _pair(
    client: LoadClient, sides: Sides, stream: bool, level: int, *, gateway_first: bool
) -> tuple[Sample, Sample]:
    """(endpoint, gateway), one right after the other; who begins changes every round."""
    samples: dict[str, Sample] = {}
    order = [sides.endpoint, sides.gateway]
    for url in reversed(order) if gateway_first else order:
        side = sides.target(url, stream=stream, max_tokens=MAX_TOKENS)
        result = await client.run(
            {"targets": [side], "in_flight": level, "requests": REQUESTS[level]}
        )
        samples[url] = summarize(result)
    return samples[sides.endpoint], samples[sides.gateway]


def summarize(result: Mapping[str, Any]) -> Sample:
    """The rates and times of one job."""
    exchanges, seconds = result["exchanges"], result["seconds"]
    first_ms = [1000 * exchange["first_s"] for exchange in exchanges]
    return Sample(
        sum(exchange["tokens"] for exchange in exchanges) / seconds,
        len(exchanges) / seconds,
        statistics.median(first_ms),
        float(np.percentile(first_ms, 95)),
    )


async def _added_first_ms(client: LoadClient, sides: Sides) -> float:
    """Median of the differences of neighbouring requests, one in flight, endpoint and gateway."""
    both = [sides.target(url, stream=True, max_tokens=2) for url in (sides.endpoint, sides.gateway)]
    result = await client.run({"targets": both, "in_flight": 1, "requests": 2 * IDLE_PAIRS})
    times: list[float] = [exchange["first_s"] for exchange in result["exchanges"]]
    return 1000 * statistics.median(
        gateway - endpoint for endpoint, gateway in zip(times[::2], times[1::2], strict=True)
    )


async def _route_ms(client: LoadClient, sides: Sides, service_url: str, composition: str) -> float:
    """Median of what the gateway says that routing took: distinct questions, one at a time."""
    distinct = tuple(f"{q} ({n})" for n, q in enumerate(_cycle(sides.questions, ROUTED)))
    side = target(f"{service_url}/v1", composition, distinct, stream=False, max_tokens=1)
    job = {"targets": [side], "in_flight": 1, "requests": ROUTED, "header": "x-coterie-route-ms"}
    result = await client.run(job)
    return statistics.median(float(exchange["header"]) for exchange in result["exchanges"])


def _cycle(items: Sequence[str], count: int) -> list[str]:
    return [items[number % len(items)] for number in range(count)]


async def _pool_status(service_url: str) -> dict[str, Any]:
    async with ExpertClient() as client:
        response = await client.get(f"{service_url}/coterie/pool", timeout=30.0)
    status: dict[str, Any] = response.json()
    return status
