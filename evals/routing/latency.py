"""How long the routers of a configuration take: to be fitted, for one question, for a thousand."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits

from evals.progress import Progress
from evals.table import print_table, say
from evals.verdicts import Verdict, print_verdicts
from experts.errors import ConfigError
from experts.types import Request
from orchestrator.config import Config
from orchestrator.fitting import fittable
from routers.base import Router
from routers.features import MiniLMEncoder
from routers.outcomes import OutcomeTable
from routers.registry import build

ALONE = 200
TOGETHER = 1_000
ALONE_MS = 10.0
TOGETHER_MS = 3.0


@dataclass(frozen=True, slots=True)
class Latency:
    """One router's times."""

    router: str
    fit_s: float
    alone_ms: float
    """Median of a question that comes by itself, embedding included."""
    together_ms: float
    """Each question of a batch of `TOGETHER`."""


def measure(settings: Config, progress: Progress) -> list[Latency]:
    """Route the questions of each router's own table; nothing is cached. Raises ConfigError."""
    names = fittable(settings)
    if not names:
        raise ConfigError("The configuration has no router that is fitted from outcomes.")
    with threadpool_limits(limits=1, user_api="blas"):  # As in the service.
        return [_measure(settings, name, progress) for name in names]


def _measure(settings: Config, name: str, progress: Progress) -> Latency:
    keys = {key: value for key, value in settings.routers[name].items() if key != "artifact"}
    texts = sorted({row.text for row in OutcomeTable.read(Path(keys["outcomes"])).matrix()[0]})
    progress.doing(f"measuring {name}")
    started = time.perf_counter()
    router = build(name, keys, tuple(settings.experts), partial(MiniLMEncoder, cache_size=0))
    fit_s = time.perf_counter() - started
    alone = [_seconds(router, [text]) for text in islice(cycle(texts), ALONE)]
    together = _seconds(router, list(islice(cycle(texts), TOGETHER)))
    return Latency(name, fit_s, 1000 * statistics.median(alone), 1000 * together / TOGETHER)


def print_latencies(console: Console, found: Sequence[Latency]) -> int:
    """Print times and verdicts; returns the exit code."""
    print_table(
        console,
        ("router", "fitted in s", "one question ms", f"of {TOGETHER} each ms"),
        [
            (one.router, f"{one.fit_s:.1f}", f"{one.alone_ms:.1f}", f"{one.together_ms:.2f}")
            for one in found
        ],
    )
    say(console)
    verdicts = [
        Verdict(
            one.alone_ms <= ALONE_MS and one.together_ms <= TOGETHER_MS,
            f"{one.router}: {one.alone_ms:.1f} ms for one question, {one.together_ms:.2f} ms each"
            f" for {TOGETHER} (targets: at most {ALONE_MS:g} and {TOGETHER_MS:g})",
        )
        for one in found
    ]
    return print_verdicts(console, verdicts)


def _seconds(router: Router, texts: Sequence[str]) -> float:
    requests = [
        Request(str(n), "chat/completions", {"messages": [{"role": "user", "content": text}]})
        for n, text in enumerate(texts)
    ]
    started = time.perf_counter()
    router.route(requests)
    return time.perf_counter() - started
