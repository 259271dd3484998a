"""`coterie eval panels` and `coterie bench-panel`: what panels are worth, and what they cost."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evals.benchmarks.panels import panel_bench, panels_report
from evals.benchmarks.routing.served import ask_pool
from evals.client.progress import Progress
from evals.client.service import serving
from evals.reporting.outputs import check_outputs
from evals.reporting.table import Finish
from evals.tasks.task import load_tasks
from experts.errors import ConfigError, ServiceError
from orchestrator.config.model import Config


async def panels(
    progress: Progress,
    settings: Config,
    compositions: tuple[str, ...],
    names: tuple[str, ...],
    wanted: Mapping[str, Any],
    json_out: Path | None,
) -> Finish:
    """`coterie eval panels`; `wanted` are the keys of `Targets`."""
    targets = panels_report.Targets(**wanted)
    check_outputs(json=json_out)
    every, beside = settings.compositions, targets.beside
    if beside is not None and beside not in (*settings.experts, *every):
        known = ", ".join((*settings.experts, *every))
        raise ConfigError(f"Nothing to compare with is called {beside} (known: {known}).")
    asked = compositions or tuple(name for name in every if every[name].aggregator)
    if not asked:
        raise ConfigError(
            "No composition of the configuration has an aggregator: there is no panel to compare.",
            hint="Name some with --composition.",
        )
    if beside in every and beside not in asked:
        asked = (*asked, beside)
    found = await ask_pool(progress, settings, asked, names)
    if json_out:
        panels_report.write_json(json_out, found, targets)
    return partial(panels_report.print_pool, pool=found, targets=targets)


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
    async with serving(settings, progress) as service:
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
