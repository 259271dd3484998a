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

ROUNDS = 5
ALONE = 100
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
    """Each question of a batch of `TOGETHER`, in the median batch."""


def measure(settings: Config, progress: Progress) -> list[Latency]:
    """Route the questions of each router's own table; nothing is cached. Raises ConfigError."""
    names = fittable(settings)
    if not names:
        raise ConfigError("The configuration has no router that is fitted from outcomes.")
    with threadpool_limits(limits=1, user_api="blas"):  # As in the service.
        stopwatches = [_Stopwatch(settings, name) for name in names]
        for number in range(1, ROUNDS + 1):
            for one in stopwatches:
                progress.doing(f"measuring {one.name}, round {number} of {ROUNDS}")
                one.take()
    return [one.median() for one in stopwatches]


class _Stopwatch:
    """Times of one router; in rounds, so that a slow moment of the machine is not one router's."""

    def __init__(self, settings: Config, name: str) -> None:
        self.name = name
        keys = {key: value for key, value in settings.routers[name].items() if key != "artifact"}
        rows = OutcomeTable.read(Path(keys["outcomes"])).matrix()[0]
        self._texts = cycle(sorted({row.text for row in rows}))
        started = time.perf_counter()
        encoder = partial(MiniLMEncoder, cache_size=0)
        self._router = build(name, keys, tuple(settings.experts), encoder)
        self._fit_s = time.perf_counter() - started
        self._alone: list[float] = []
        self._together: list[float] = []

    def take(self) -> None:
        """Some questions one by one, and many at once."""
        for text in islice(self._texts, ALONE):
            self._alone.append(_seconds(self._router, [text]))
        batch = list(islice(self._texts, TOGETHER))
        self._together.append(_seconds(self._router, batch) / TOGETHER)

    def median(self) -> Latency:
        """Of all that was taken."""
        alone, together = (1000 * statistics.median(all) for all in (self._alone, self._together))
        return Latency(self.name, self._fit_s, alone, together)


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
