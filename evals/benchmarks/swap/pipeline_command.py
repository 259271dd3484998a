"""`coterie bench-swap --pipeline`: requests that take a tagger, a panel and a lead each."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from evals.benchmarks.swap import pipeline_runs as runs
from evals.benchmarks.swap.pipeline_report import PipelineBench, print_pipeline, write_json
from evals.benchmarks.swap.pipeline_work import DEBATE, PIPELINE, Pipeline, make_pipeline
from evals.benchmarks.swap.workload import forgetful
from evals.client.ask import Question
from evals.client.progress import Progress
from evals.tasks.task import load_tasks
from orchestrator.config.model import Config
from orchestrator.residency.machine.policy import Policy, decide

DROP_AFTER_S = 0.001
ONE_BY_ONE = 12
"""Requests that get loads of their own: each takes as long as a hundred of the batch."""
SLOTS = 4


async def pipeline(
    progress: Progress,
    settings: Config,
    experts: int,
    requests: int,
    seed: int,
    json_out: Path | None,
) -> Callable[[Console], int]:
    """`coterie bench-swap --pipeline`."""
    with tempfile.TemporaryDirectory(prefix="coterie-pipeline-") as folder:
        work = make_pipeline(settings, load_tasks(), experts, requests, seed, Path(folder))
        bench = await _measure(work, progress)
    if json_out:
        write_json(json_out, bench)
    return partial(print_pipeline, bench=bench)


async def _measure(work: Pipeline, progress: Progress) -> PipelineBench:
    config, questions = work.config, work.questions
    debated = work.asked_of(DEBATE, len(questions))
    counted = runs.LoadsByStage()

    async def batch(
        name: str, served: Config, asked: Sequence[Question], policy: Policy = decide
    ) -> runs.PipelineRun:
        found = await runs.run_batch(name, served, asked, progress, policy)
        progress.say(f"{name}: {found.loads} loads, {found.seconds:.1f} s")
        return found

    ours = await batch("ours, one slot", config, questions, counted)
    in_time = await batch("ours without prefetch", _slots(config, prefetch=False), questions)
    single = await runs.run_one_by_one(
        "a load per request",
        forgetful(_slots(config, prefetch=False), DROP_AFTER_S),
        work.asked_of(PIPELINE, ONE_BY_ONE),
        progress,
    )
    progress.say(f"{single.name}: {single.loads} loads, {single.seconds:.1f} s")
    debate = await batch("debate, one slot", config, debated)
    wide = await batch(f"debate, {SLOTS} slots", _slots(config, count=SLOTS), debated)
    return PipelineBench(
        len(work.experts), SLOTS, dict(counted.by_stage()), ours, in_time, single, debate, wide
    )


def _slots(config: Config, **keys: object) -> Config:
    return config.model_copy(update={"slots": config.slots.model_copy(update=keys)})
