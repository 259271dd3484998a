"""Starts the service for a command of the evaluation, runs it, and stops the service again.

The command line imports this file only when such a command runs: the service is heavy.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from evals.benchmarks.demo import POOL, print_result, run_demo
from evals.benchmarks.gateway.bench import Sides, run_bench
from evals.benchmarks.gateway.bench_report import print_bench, write_json
from evals.benchmarks.panels import panel_bench, panels_report
from evals.benchmarks.routing import served, served_report
from evals.benchmarks.zoo_report import print_report, run_report
from evals.client.own_service import without_keys
from evals.client.progress import Progress
from evals.fitting import cascade as cascades
from evals.fitting import symbolic_moe as symbolic
from evals.fitting.profile import print_profile, probes_of, request_of, run_profile
from evals.fitting.versions import expert_version
from evals.tasks.task import load_tasks
from experts.errors import ConfigError, ServiceError
from experts.spec import VllmSpec
from orchestrator.config.model import Config
from orchestrator.service import Service, start_service
from routers.features import MiniLMEncoder

Finish = Callable[[Console], int]
"""Prints what was found, once the service has stopped, and returns the exit code."""


async def demo(progress: Progress, settings: Config, questions: int) -> Finish:
    """`coterie demo`."""
    tasks = tuple(load_tasks().values())
    if POOL not in settings.compositions:
        raise ConfigError(f"The configuration has no composition `{POOL}`, which the demo asks.")
    experts = tuple(settings.experts)
    async with _serving(settings, progress) as service:
        result = await run_demo(service.base_url, experts, tasks, questions, progress)
    return partial(print_result, result=result, experts=experts)


async def report(progress: Progress, settings: Config) -> Finish:
    """`coterie zoo report`."""
    tasks = tuple(load_tasks().values())
    settings = _without_routers(settings)
    folders = {
        name: Path(spec.model) if isinstance(spec, VllmSpec) else None
        for name, spec in settings.experts.items()
    }
    async with _serving(settings, progress) as service:
        result = await run_report(service.base_url, folders, tasks, progress)
    return partial(print_report, report=result)


async def profile(
    progress: Progress, settings: Config, names: tuple[str, ...], out: Path | None
) -> Finish:
    """`coterie profile`."""
    probes = probes_of(tuple(load_tasks(names).values()))
    path = out or _outcomes(settings)
    versions = {name: expert_version(name, settings.experts) for name in settings.experts}
    wanted = symbolic.wanted(settings)
    async with _serving(_without_routers(settings), progress) as service:
        url = service.base_url
        result = await run_profile(url, versions, probes, path, MiniLMEncoder(), progress)
        failed = await symbolic.prepare(url, wanted, path, probes, versions, progress)
    result = replace(result, failures=(*result.failures, *failed))
    return partial(print_profile, profile=result)


async def pool(
    progress: Progress,
    settings: Config,
    compositions: tuple[str, ...],
    names: tuple[str, ...],
    json_out: Path | None,
) -> Finish:
    """`coterie eval pool`."""
    asked = compositions or tuple(settings.compositions)
    found = await _ask_pool(progress, settings, asked, names)
    if json_out:
        served_report.write_json(json_out, found)
    return partial(served_report.print_pool, pool=found)


async def panels(
    progress: Progress,
    settings: Config,
    compositions: tuple[str, ...],
    names: tuple[str, ...],
    beside: str | None,
    json_out: Path | None,
) -> Finish:
    """`coterie eval panels`."""
    if beside is not None and beside not in settings.experts:
        raise ConfigError(f"No expert is called {beside} (known: {', '.join(settings.experts)}).")
    every = settings.compositions
    asked = compositions or tuple(name for name in every if every[name].aggregator)
    found = await _ask_pool(progress, settings, asked, names)
    if json_out:
        panels_report.write_json(json_out, found, beside)
    return partial(panels_report.print_pool, pool=found, beside=beside)


async def _ask_pool(
    progress: Progress, settings: Config, asked: tuple[str, ...], names: tuple[str, ...]
) -> served.Pool:
    """Ask compositions and every expert the test questions. Raises ConfigError."""
    if unknown := [name for name in asked if name not in settings.compositions]:
        known = ", ".join(settings.compositions) or "none"
        raise ConfigError(f"No composition is called {', '.join(unknown)} (known: {known}).")
    tasks = tuple(load_tasks(names).values())
    async with _serving(settings, progress) as service:
        prices = {name: spec.price_usd_per_mtok for name, spec in settings.experts.items()}
        return await served.measure(service.base_url, prices, asked, tasks, progress)


async def cascade(
    progress: Progress,
    settings: Config,
    composition: str,
    names: tuple[str, ...],
    bounds: tuple[float | None, float | None],
    out: Path | None,
) -> Finish:
    """`coterie cascade fit`."""
    keys = cascades.cascade_of(settings, composition)
    path = out or keys.thresholds
    if path is None:
        raise ConfigError(f"The cascade of {composition} has no `thresholds`; name one with --out.")
    probes = probes_of(tuple(load_tasks(names).values()))
    requests = [request_of(probe) for probe in probes]
    ways = await asyncio.to_thread(cascades.orders, settings, composition, keys, requests)
    async with _serving(_without_routers(settings), progress) as service:
        measured = await cascades.measure(
            service.base_url, settings, keys, ways, probes, requests, progress
        )
    found = cascades.fitted(keys, path, measured, ways, *bounds)
    return partial(cascades.print_found, found=found)


async def bench_panel(progress: Progress, settings: Config, rounds: int) -> Finish:
    """`coterie bench-panel`."""
    experts = tuple(settings.hosted())[: panel_bench.PANEL]
    if len(experts) < panel_bench.PANEL:
        raise ConfigError(f"The pool hosts fewer than {panel_bench.PANEL} experts.")
    routers = {
        name: "outcomes" in keys
        for name, keys in settings.routers.items()
        if not keys.get("tag_requests")
    }
    questions = [s.question for task in load_tasks().values() for s in task.samples("test")[::25]]
    async with _serving(settings, progress) as service:
        endpoints = {name: service.expert_base_url(name) for name in experts}
        if missing := [name for name, url in endpoints.items() if url is None]:
            raise ServiceError(f"{', '.join(missing)} did not stay loaded.")
        found = await panel_bench.measure(
            service.base_url,
            {name: str(url) for name, url in endpoints.items()},
            routers,
            questions,
            rounds,
            progress,
        )
    return partial(panel_bench.print_overheads, found=found, experts=experts)


async def bench(
    progress: Progress, settings: Config, expert: str | None, rounds: int, json_out: Path | None
) -> Finish:
    """`coterie bench`."""
    expert = expert or next(iter(settings.hosted()), None)
    if expert is None or expert not in settings.experts:
        known = ", ".join(settings.experts)
        raise ConfigError(f"No expert to measure is called `{expert}`.", hint=f"Known: {known}.")
    questions = tuple(
        sample.question for task in load_tasks().values() for sample in task.samples("test")
    )
    async with _serving(settings, progress) as service:
        endpoint = service.expert_base_url(expert)
        if endpoint is None:
            raise ServiceError(f"Expert {expert} has no endpoint of its own here.")
        sides = Sides(expert, endpoint, f"{service.base_url}/v1", questions)
        result = await run_bench(
            sides, service.base_url, len(settings.experts), _knn(settings), rounds, progress
        )
    if json_out:
        write_json(json_out, result)
    return partial(print_bench, bench=result)


@asynccontextmanager
async def _serving(settings: Config, progress: Progress) -> AsyncIterator[Service]:
    progress.doing("starting the service")
    settings = without_keys(settings)
    service = await start_service(settings, on_event=progress.say, host="127.0.0.1", port=0)
    try:
        yield service
    finally:
        progress.doing("stopping the service")
        await service.stop()


def _without_routers(settings: Config) -> Config:
    """Only experts are asked: no router needs its outcome table."""
    return settings.model_copy(update={"routers": {}, "aggregators": {}, "compositions": {}})


def _outcomes(settings: Config) -> Path:
    """The table that the configuration's routers read."""
    for router in settings.routers.values():
        if "outcomes" in router:
            return Path(router["outcomes"])
    raise ConfigError("No router of the configuration reads an outcome table; name one with --out.")


def _knn(settings: Config) -> str | None:
    """The first composition whose router is kNN."""
    for name, composition in settings.compositions.items():
        if settings.routers[composition.router].get("type") == "knn":
            return name
    return None
