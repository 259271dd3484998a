"""The two commands of fusing, from the configuration to what is printed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from rich.console import Console

from evals.benchmarks.fusion.fusion_bench import COMPOSITE, CONTRAST, PLAIN, measure
from evals.benchmarks.fusion.fusion_bench_report import print_bench, write_json
from evals.benchmarks.fusion.models import (
    MIXTURE,
    folder_of,
    write_route,
    write_self_contrast,
    write_thoughts,
)
from evals.client.progress import Progress
from evals.client.worker.serving import THREADS, serving
from evals.fitting.fuse.self_contrast import Fit, fit_settings, setting_roles
from evals.fitting.fuse.self_contrast_report import print_fit
from evals.tasks.task import load_tasks
from experts.errors import ConfigError
from experts.fused.training.runtime import prepare
from orchestrator.config.model import Config

SEED = 0
BENCH_ROLES = ({"name": "contrast", "beta": 0.5, "rank": 2}, {"name": "plain", "beta": 0})


async def bench(
    progress: Progress, settings: Config, rounds: int, json_out: Path | None
) -> Callable[[Console], int]:
    """`coterie bench-fusion`."""
    questions = [s.question for task in load_tasks().values() for s in task.samples("test")]
    Random(SEED).shuffle(questions)
    with TemporaryDirectory(prefix="coterie-fusion-") as made:
        root = Path(made)
        progress.doing("writing the fused folders")
        prepare(THREADS)
        route = write_route(settings, root)
        thoughts = write_thoughts(settings, root)
        plain = folder_of(settings, MIXTURE)
        contrast = write_self_contrast(root / CONTRAST, MIXTURE, plain, BENCH_ROLES)
        progress.doing("loading the models")
        models = {**route, **thoughts, CONTRAST: contrast, PLAIN: plain}
        async with serving(models) as url:
            progress.say(f"{len(models)} models loaded into one worker process")
            parts = [name for name in route if name != COMPOSITE]
            found = await measure(url, route[COMPOSITE], parts, questions, rounds, progress)
    if json_out:
        write_json(json_out, found)
    return partial(print_bench, bench=found)


async def self_contrast(
    progress: Progress, settings: Config, expert: str, names: tuple[str, ...], out: Path | None
) -> Callable[[Console], int]:
    """`coterie fuse self-contrast`."""
    if out is not None and out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise ConfigError(f"{out} is there already.", hint="Name a new folder with --out.")
    tasks = tuple(load_tasks(names).values())
    weights = folder_of(settings, expert)
    with TemporaryDirectory(prefix="coterie-fusion-") as made:
        roles = setting_roles(weights)
        folder = write_self_contrast(Path(made) / expert, expert, weights, roles)
        progress.doing("loading the model")
        async with serving({expert: folder}) as url:
            progress.say(f"{expert} loaded once, with {len(roles)} settings as its roles")
            fit: Fit = await fit_settings(url, expert, weights, tasks, progress)
    if out is not None:
        write_self_contrast(out, expert, weights, fit.roles())
    return partial(print_fit, fit=fit, out=out)
