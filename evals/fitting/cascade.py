"""`coterie cascade fit`: how sure experts must be, from their answers to the probe questions."""

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from aggregators.cascade.cascade import CascadeConfig
from aggregators.cascade.signals import RatedAnswer, Signals
from aggregators.cascade.thresholds import Cascade, Measured, fit, play, write
from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from evals.fitting.probes import Probe, probes_of, request_of
from evals.reporting.table import Finish, print_table, say, tenths
from evals.tasks.judged import without_judges
from evals.tasks.task import find_tasks
from experts.engine import stream
from experts.errors import (
    ConfigError,
    ExpertError,
    ExpertSilent,
    NobodyAnswered,
    ServiceError,
)
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.types import Chunk, Request
from orchestrator.cli.route import make_router
from orchestrator.config.model import Config
from orchestrator.request.compositions import Compositions
from orchestrator.request.plan import plan_decision, prices_of

IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class Found:
    """Fitted thresholds, and what they are compared with."""

    path: Path
    names: tuple[str, ...]
    """Of the places in the order."""
    fitted: Cascade
    last: Cascade
    """Always asking the last expert, and nobody before."""
    questions: int


async def cascade(
    progress: Progress,
    settings: Config,
    composition: str,
    names: tuple[str, ...],
    bounds: tuple[float | None, float | None],
    out: Path | None,
) -> Finish:
    """Serve the experts, ask them, fit and write. `bounds` are of price and accuracy.

    Raises ConfigError, ServiceError.
    """
    keys = cascade_of(settings, composition)
    path = out or keys.thresholds
    if path is None:
        raise ConfigError(f"The cascade of {composition} has no `thresholds`; name one with --out.")
    probes = probes_of(without_judges(find_tasks(names), "coterie cascade fit"))
    requests = [request_of(probe) for probe in probes]
    ways = await asyncio.to_thread(orders, settings, composition, keys, requests)
    async with serving(without_routers(settings), progress) as service:
        measured = await measure(service.base_url, settings, keys, ways, probes, requests, progress)
    return partial(print_found, found=fitted(keys, path, measured, ways, *bounds))


class _Ask:
    """An `Ask` of a running service, which counts what it costs."""

    deadline, quorum = math.inf, 1

    def __init__(self, base_url: str, client: ExpertClient, prices: Mapping[str, float]) -> None:
        self._base_url = base_url
        self._client = client
        self._prices = prices
        self.price = 0.0

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        endpoint = Endpoint(expert, f"{self._base_url}/v1", expert)
        async with aclosing(stream(OpenAIEngine(endpoint, self._client), request)) as chunks:
            async for chunk in chunks:
                if chunk.usage is not None:
                    used = chunk.usage.prompt_tokens + chunk.usage.completion_tokens
                    self.price += used * self._prices.get(expert, 0.0) / 1e6
                yield chunk

    async def embed(self, texts: Sequence[str]) -> None:
        """There is no encoder: cascades compare what answers conclude with."""

    def tell(self, words: str, **facts: Any) -> None:
        """Nobody listens."""


def cascade_of(settings: Config, composition: str) -> CascadeConfig:
    """The keys of a composition's cascade. Raises ConfigError where it has none."""
    entry = settings.compositions.get(composition)
    if entry is None:
        known = ", ".join(settings.compositions) or "none"
        raise ConfigError(f"No composition is called {composition} (known: {known}).")
    named = entry.aggregator
    keys = named if isinstance(named, dict) else settings.aggregators.get(str(named), {})
    if keys.get("type") != "cascade":
        raise ConfigError(f"compositions.{composition}: its aggregator is no cascade.")
    return CascadeConfig.model_validate(keys)


def orders(
    settings: Config, composition: str, cascade: CascadeConfig, requests: Sequence[Request]
) -> list[tuple[tuple[str, ...], Mapping[str, float]]]:
    """Whom the cascade asks each request, in order, and the router's scores.

    The router decides without a tagger. Raises ConfigError where their number differs.
    """
    unfitted = settings.model_copy(
        update={
            "aggregators": {},
            "compositions": {
                composition: settings.compositions[composition].model_copy(
                    update={"aggregator": {**cascade.model_dump(), "thresholds": None}}
                )
            },
        }
    )
    parts = Compositions(unfitted).named(composition)
    decisions = make_router(settings, parts.config.router).route(requests)
    prices, found = prices_of(settings), []
    for decision in decisions:
        panel = plan_decision(decision, prices=prices, rules=parts.rules).panel
        if panel is None:
            raise ConfigError(f"compositions.{composition}: its router's guard asks one expert.")
        found.append((cascade.order(panel), panel.scores))
    if len({len(order) for order, _ in found}) > 1:
        raise ConfigError(f"compositions.{composition}: its router recruits different numbers.")
    return found


async def measure(
    base_url: str,
    settings: Config,
    cascade: CascadeConfig,
    ways: Sequence[tuple[tuple[str, ...], Mapping[str, float]]],
    probes: Sequence[Probe],
    requests: Sequence[Request],
    progress: Progress,
) -> Measured:
    """Ask every expert of each question's order. Raises ServiceError where one fails."""
    prices = prices_of(settings)
    signals = Signals(cascade)
    shape = (len(probes), len(ways[0][0]))
    confidences, scores, spent = (np.zeros(shape) for _ in range(3))
    places = asyncio.Semaphore(IN_FLIGHT)

    async def one(client: ExpertClient, row: int, column: int) -> None:
        order, predicted = ways[row]
        ask = _Ask(base_url, client, prices)
        async with places:
            try:
                rated: RatedAnswer = await signals.ask(order[column], requests[row], ask, predicted)
            except NobodyAnswered as error:
                if not all(isinstance(one, ExpertSilent) for one in error.errors):
                    raise _failed(order[column], probes[row], error) from error
                # A cascade asks the next one then: no confidence, and nothing right.
                spent[row, column] = ask.price
                return
            except ExpertError as error:
                raise _failed(order[column], probes[row], error) from error
        confidences[row, column] = rated.confidence
        scores[row, column] = probes[row].task.score(probes[row].sample, rated.answer.text)
        spent[row, column] = ask.price

    async with ExpertClient() as client:
        for column in range(shape[1]):
            text = f"asking expert {column + 1} of {shape[1]} of the cascade"
            count = progress.counting(text, len(probes), "answers")
            async with asyncio.TaskGroup() as group:
                for row in range(len(probes)):
                    group.create_task(one(client, row, column)).add_done_callback(count)
    return Measured(confidences, scores, spent)


def _failed(expert: str, probe: Probe, error: ExpertError) -> ServiceError:
    return ServiceError(f"{expert} failed at {probe.sample.id}: {error}")


def fitted(
    cascade: CascadeConfig,
    path: Path,
    measured: Measured,
    ways: Sequence[tuple[tuple[str, ...], Mapping[str, float]]],
    max_price: float | None,
    min_accuracy: float | None,
) -> Found:
    """Fit and write. Without a bound: the cheapest that is as accurate as the last expert alone."""
    last = _always_last(measured)
    if max_price is None and min_accuracy is None:
        min_accuracy = last.accuracy
    found = fit(measured, max_price, min_accuracy)
    fixed = len({order for order, _ in ways}) == 1
    order = ways[0][0] if fixed else ()
    write(path, order, cascade.signal, found)
    count = len(ways[0][0])
    final = (cascade.last or "the last",) if not fixed else ()
    names = order or (*(f"number {place + 1}" for place in range(count - 1)), *final)
    return Found(path, names, found, last, len(ways))


def _always_last(measured: Measured) -> Cascade:
    alone = Measured(measured.confidences[:, -1:], measured.scores[:, -1:], measured.prices[:, -1:])
    return play(alone, ())


def print_found(console: Console, found: Found) -> int:
    """Print what was fitted; returns the exit code."""
    say(console)
    accept = [f"{threshold:.4f}" for threshold in found.fitted.thresholds]
    print_table(
        console,
        ("asked", "must be sure", "answers % of questions"),
        [
            (name, sure, tenths(share))
            for name, sure, share in zip(
                found.names, [*accept, "-"], found.fitted.shares, strict=True
            )
        ],
    )
    say(console)
    for what, one in (("the cascade", found.fitted), (f"always {found.names[-1]}", found.last)):
        say(
            console,
            f"{what}: {tenths(one.accuracy)} % of {found.questions} probe questions,"
            f" {1000 * one.price:.4f} USD a thousand",
        )
    say(console, f"wrote {found.path}")
    return 0
