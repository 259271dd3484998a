"""An evaluation, and then the same calls at the bare engines, in one process run."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.benchmarks.evaluation.sweep_report import SweepBench, print_sweep
from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from evals.reporting.table import Finish
from evals.runs.asking.keys import answer_versions, call_key
from evals.runs.asking.wire import Wire
from evals.runs.folder import RunFolder
from evals.runs.run import run
from evals.runs.settings import RunOptions
from evals.tasks.task import find_tasks
from experts.errors import ConfigError, NobodyAnswered, ServiceError
from experts.openai import ExpertClient
from experts.types import Request
from orchestrator.config.model import Config, load_config
from orchestrator.service import Service

TIMEOUT_S = 600.0
Calls = dict[str, list[Request]]
"""Expert -> what it was asked, in that order."""


@dataclass(frozen=True, slots=True)
class _Bare:
    """The bare engines' side, in seconds."""

    whole_s: float
    calls_s: float


async def sweep(
    progress: Progress,
    config: Path,
    models: tuple[str, ...],
    questions: int,
    in_flight: int,
) -> Finish:
    """Measure both sides. Raises ConfigError, ServiceError."""
    settings = load_config(config)
    tasks = [task for task in find_tasks(()) if task.samples("probe")]
    if not tasks:
        raise ConfigError("There are no tasks to ask.")
    heard: list[tuple[str, Request]] = []
    with TemporaryDirectory() as folder:
        options = RunOptions(
            tuple(task.name for task in tasks),
            models,
            Path(folder) / "run",
            split="all",
            limit=-(-questions // len(tasks)),
            in_flight=in_flight,
            shared=False,
        )
        started = time.perf_counter()
        await run(progress, config, options, on_call=lambda e, request: heard.append((e, request)))
        whole_s = time.perf_counter() - started
        done = RunFolder(options.out)
        info, rows = done.info(), done.rows()
    assert info is not None
    assert info.totals is not None
    # An expert that says nothing has answered, and costs what an answer costs.
    errors = [row.error for row in rows if row.error is not None]
    if bad := [error for error in errors if not error.startswith(NobodyAnswered.code)]:
        raise ServiceError(f"{len(bad)} calls of the evaluation failed: {bad[0]}")
    progress.say(f"the evaluation: {len(heard)} calls, {whole_s:.1f} s")
    versions = answer_versions(settings.answering)
    distinct = {call_key(versions[expert], request): (expert, request) for expert, request in heard}
    bare = await _bare_engines(progress, settings, list(distinct.values()), in_flight)
    bench = SweepBench(
        questions=len({(row.task, row.sample) for row in rows}),
        subjects=len(info.subjects),
        subject_calls=info.totals.calls,
        sent=len(heard),
        distinct=info.totals.asked,
        loads=Counter(load.expert for load in info.totals.loads),
        stages=1 + any(_tags(settings, name) for name in models),
        whole_s=whole_s,
        sweep_s=info.totals.seconds,
        bare_whole_s=bare.whole_s,
        bare_calls_s=bare.calls_s,
    )
    return partial(print_sweep, bench=bench)


def _tags(settings: Config, name: str) -> bool:
    composition = settings.compositions.get(name)
    return composition is not None and bool(
        settings.routers[composition.router].get("tag_requests")
    )


async def _bare_engines(
    progress: Progress,
    settings: Config,
    calls: Sequence[tuple[str, Request]],
    in_flight: int,
) -> _Bare:
    """Load each engine, one after the other, and send it its calls at its own port."""
    by_expert: Calls = defaultdict(list)
    for expert, request in calls:
        by_expert[expert].append(request)
    slots = settings.slots.model_copy(update={"preload": False})
    lean = without_routers(settings).model_copy(update={"slots": slots})
    started = time.perf_counter()
    async with serving(lean, progress) as service, ExpertClient() as client:
        begun = time.perf_counter()
        for expert, requests in by_expert.items():
            await _one_engine(progress, service, client, expert, requests, in_flight)
        calls_s = time.perf_counter() - begun
    return _Bare(time.perf_counter() - started, calls_s)


async def _one_engine(
    progress: Progress,
    service: Service,
    client: ExpertClient,
    expert: str,
    requests: Sequence[Request],
    in_flight: int,
) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    # Only the gateway can load it; from then on it is asked without the gateway.
    await Wire(service.base_url, client, timeout_s=TIMEOUT_S)(
        expert, Request("load", "chat/completions", body)
    )
    url = service.expert_base_url(expert)
    if url is None:
        raise ServiceError(f"{expert} has no port of its own: only hosted experts can be compared.")
    wire = Wire(url.removesuffix("/v1"), client, timeout_s=TIMEOUT_S)
    done = progress.counting(f"{expert} alone", len(requests), "calls")
    numbers = count()

    async def worker() -> None:
        while (number := next(numbers)) < len(requests):
            await wire(expert, requests[number])
            done(None)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(in_flight, len(requests))):
            group.create_task(worker())
