"""`coterie bench`: the gateway beside an expert's own endpoint."""

from functools import partial
from pathlib import Path

from evals.benchmarks.gateway.bench import Sides, run_bench
from evals.benchmarks.gateway.bench_report import print_bench, write_json
from evals.client.progress import Progress
from evals.client.service import serving
from evals.reporting.table import Finish
from evals.tasks.task import load_tasks
from experts.errors import ConfigError, ServiceError
from orchestrator.config.model import Config


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
    async with serving(settings, progress) as service:
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


def _knn(settings: Config) -> str | None:
    """The first composition whose router is kNN."""
    for name, composition in settings.compositions.items():
        if settings.routers[composition.router].get("type") == "knn":
            return name
    return None
