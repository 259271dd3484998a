"""`coterie bench-fusion`: fused experts beside their members, in one worker process."""

from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from evals.benchmarks.fusion.fusion_bench import COMPOSITE, CONTRAST, PLAIN, measure
from evals.benchmarks.fusion.fusion_bench_report import print_bench, write_json
from evals.benchmarks.fusion.models import (
    MIXTURE,
    write_route,
    write_thoughts,
)
from evals.client.progress import Progress
from evals.client.worker.serving import THREADS, serving
from evals.fitting.fuse.folders import folder_of, write_self_contrast
from evals.reporting.table import Finish
from evals.tasks.task import load_tasks
from experts.fused.training.runtime import prepare
from orchestrator.config.model import Config

SEED = 0
BENCH_ROLES = ({"name": "contrast", "beta": 0.5, "rank": 2}, {"name": "plain", "beta": 0})


async def bench(progress: Progress, settings: Config, rounds: int, json_out: Path | None) -> Finish:
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
