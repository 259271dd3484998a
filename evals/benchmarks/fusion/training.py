"""Runs `coterie fuse`: trains a fused expert and, if asked to, measures it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from evals.benchmarks.fusion import ablation
from evals.benchmarks.fusion import fusion_route as route_bench
from evals.benchmarks.fusion import mixture_of_thoughts as thoughts_bench
from evals.client.progress import Progress
from evals.fitting.fuse import fusion_route as route
from evals.fitting.fuse import mixture_of_thoughts as thoughts
from evals.fitting.fuse.folders import with_whole_members
from evals.reporting.table import Finish
from evals.tasks.judged import without_judges
from evals.tasks.task import find_tasks


async def fusion_route(
    progress: Progress,
    out: Path,
    config: Path | None,
    data: Sequence[Path] | None,
    preferences: Sequence[Path] | None,
    run: Path | None,
    evaluate: bool,
    names: Sequence[str],
    json_out: Path | None,
) -> Finish:
    """`coterie fuse fusion-route`. Raises ConfigError, ServiceError."""
    tasks = without_judges(find_tasks(names), "coterie fuse")
    state = run or out.with_name(f"{out.name}.run")
    control = None
    if config is not None:
        settings = with_whole_members(route.read(config, data, preferences), out, progress)
        route.train(settings, state, out, progress)
        control = route.fine_tune(settings, state, progress) if evaluate else None
    return await route_bench.evaluate(out, control, tasks, json_out, progress) if evaluate else done


async def mixture_of_thoughts(
    progress: Progress,
    out: Path,
    config: Path | None,
    data: Sequence[Path] | None,
    run: Path | None,
    evaluate: bool,
    ablate: Path | None,
    names: Sequence[str],
    json_out: Path | None,
) -> Finish:
    """`coterie fuse mixture-of-thoughts`. Raises ConfigError, ServiceError."""
    tasks = without_judges(find_tasks(names), "coterie fuse")
    if config is not None:
        settings = with_whole_members(thoughts.read(config, data), out, progress)
        if ablate is not None:
            runs = ablation.plan(settings, ablate)
            folders = ablation.train(runs, out, progress)
            return await ablation.evaluate(runs, folders, tasks, json_out, progress)
        thoughts.train(settings, run or out.with_name(f"{out.name}.run"), out, progress)
    return await thoughts_bench.evaluate(out, tasks, json_out, progress) if evaluate else done


def done(console: Console) -> int:
    """Nothing was measured."""
    return 0
