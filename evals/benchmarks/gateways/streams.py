"""Many streams at once, for minutes: what the gateway makes of the time between two tokens."""

import asyncio
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from evals.benchmarks.gateways.comparison import QUESTIONS
from evals.benchmarks.gateways.fake_engine import MODEL
from evals.benchmarks.gateways.processes import Running
from evals.client.load import LoadClient, target
from evals.client.load_client import GAP_STEPS
from evals.client.progress import Progress
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

STREAM_S = 30.0
"""How long one stream takes; then its place is taken by the next."""
KEPT = 5_000
"""Requests after which a gateway forgets as many as it answers (`traces.recent.remember`)."""
WARM_ROUNDS, WARM_TOKENS = 2, 10
"""What is kept is filled so often, by streams so short: then memory is what the load itself needs.

A whole answer's record is smaller than a stream's, and what many streams leave between them grows
until some ten thousand have ended.
"""
BARE_SHARE = 0.2
"""Of the minutes, what the engine alone is measured for."""
LOOK_EVERY_S = 2.0
TIMES_AT_MOST = 2.0
GROWTH_MB_AT_MOST = 10.0
PERCENTILES = (50, 99, 99.9)


@dataclass(frozen=True, slots=True)
class Flow:
    """What arrived of many streams; gaps are percentiles 50, 99 and 99.9, in ms."""

    seconds: float
    answered: int
    failed: int
    first_error: str | None
    gap_ms: tuple[float, ...]
    longest_ms: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Soak:
    """Both sides, and the gateway's memory on the way."""

    streams: int
    gap_ms: float
    engine: Flow
    gateway: Flow
    memory_mb: tuple[float, ...]

    @property
    def growth_mb(self) -> float:
        """From the second quarter of the time to the last; in the first one, the streams begin."""
        quarter = max(1, len(self.memory_mb) // 4)
        begin, end = self.memory_mb[quarter : 2 * quarter], self.memory_mb[-quarter:]
        return statistics.median(end) - statistics.median(begin or self.memory_mb)


async def soak(
    client: LoadClient,
    engine: Running,
    gateway: Running,
    streams: int,
    minutes: float,
    gap_ms: float,
    progress: Progress,
) -> Soak:
    """The same streams from the engine itself, for a fifth of the time, and then through us."""
    progress.doing(f"{streams} streams of the engine alone")
    bare, _ = await _flow(client, engine, streams, BARE_SHARE * minutes, gap_ms)
    progress.say("the engine alone is measured")
    progress.doing("filling what the gateway keeps of its last requests")
    asked = target(f"{gateway.url}/v1", MODEL, QUESTIONS, stream=True, max_tokens=WARM_TOKENS)
    warm = {"targets": [asked], "in_flight": streams, "requests": WARM_ROUNDS * KEPT}
    await client.run(warm)
    progress.doing(f"{streams} streams through the gateway")
    through, memory = await _flow(client, gateway, streams, minutes, gap_ms)
    return Soak(streams, gap_ms, bare, through, memory)


async def _flow(
    client: LoadClient, one: Running, streams: int, minutes: float, gap_ms: float
) -> tuple[Flow, tuple[float, ...]]:
    tokens = max(2, round(1000 * STREAM_S / gap_ms))
    turns = 1 + max(1, round(60 * minutes / STREAM_S))  # One while they begin and end.
    asked = target(f"{one.url}/v1", MODEL, QUESTIONS, stream=True, max_tokens=tokens)
    job = {
        "targets": [asked],
        "in_flight": streams,
        "requests": streams * turns,
        "ramp_s": STREAM_S,  # Streams begin and end one by one, as those of many clients do.
        "gaps": True,
    }
    before, memory = one.cpu_s(), [one.memory_mb()]
    running = asyncio.create_task(client.run(job, forgiving=True))
    while not (await asyncio.wait([running], timeout=LOOK_EVERY_S))[0]:
        memory.append(one.memory_mb())
    return summarize(running.result(), one.cpu_s() - before), tuple(memory)


def summarize(result: Mapping[str, Any], cpu_s: float) -> Flow:
    """The gaps of one job; they are counted by their length."""
    errors = [one["error"] for one in result["exchanges"] if one["error"] is not None]
    counts = sorted((int(length), count) for length, count in result["gaps"].items())
    if not counts:
        counts = [(0, 1)]
    lengths_ms = 1000 * (np.array([length for length, _ in counts]) + 0.5) / GAP_STEPS
    below = np.cumsum([count for _, count in counts])
    at = [int(np.searchsorted(below, one / 100 * below[-1])) for one in PERCENTILES]
    return Flow(
        result["seconds"],
        len(result["exchanges"]) - len(errors),
        len(errors),
        errors[0] if errors else None,
        tuple(float(lengths_ms[place]) for place in at),
        float(lengths_ms[-1]),
        cpu_s,
    )


def verdicts(found: Soak) -> list[Verdict]:
    """Every target with its measurement."""
    gaps = found.gateway.gap_ms[1], found.engine.gap_ms[1]
    told = f": {found.gateway.first_error}" if found.gateway.first_error else ""
    return [
        Verdict(
            not found.gateway.failed,
            f"{found.gateway.answered} streams ended well, {found.gateway.failed} did not{told}"
            " (target: all end well)",
        ),
        Verdict(
            gaps[0] <= TIMES_AT_MOST * gaps[1],
            f"99 of 100 gaps are below {gaps[0]:.1f} ms, {gaps[1]:.1f} without a gateway"
            f" (target: at most {TIMES_AT_MOST:g} times as long)",
        ),
        Verdict(
            found.growth_mb <= GROWTH_MB_AT_MOST,
            f"memory: {max(found.memory_mb):.0f} MB at most, {found.growth_mb:+.1f} MB from the"
            f" second quarter to the last (target: at most {GROWTH_MB_AT_MOST:+g} MB)",
        ),
    ]


def print_soak(console: Console, found: Soak) -> int:
    """Print the table and the verdicts; returns the exit code."""
    say(console)
    say(console, f"{found.streams} streams at once, a token every {found.gap_ms:g} ms in each.")
    columns = ["through", "streams", "failed", "gap p50 ms", "p99", "p99.9", "longest"]
    rows = [
        _row("nothing", found.engine),
        _row("the gateway", found.gateway),
    ]
    print_table(console, [*columns, "CPU s per s"], rows)
    say(console)
    return print_verdicts(console, verdicts(found))


def _row(name: str, flow: Flow) -> list[str]:
    gaps = [f"{gap:.1f}" for gap in (*flow.gap_ms, flow.longest_ms)]
    return [
        name,
        str(flow.answered),
        str(flow.failed),
        *gaps,
        f"{flow.cpu_s / flow.seconds:.2f}",
    ]


def write_json(path: Path, found: Soak) -> None:
    """Every number, with the verdicts."""
    tree = {**asdict(found), "verdicts": [asdict(verdict) for verdict in verdicts(found)]}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
