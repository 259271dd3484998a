"""`coterie bench-swap`: the whole benchmark, one measurement after the other."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from evals.benchmarks.swap import runs
from evals.benchmarks.swap.swap_report import SwapBench, print_swap, write_json
from evals.benchmarks.swap.workload import bounded, forgetful, make_workload
from evals.client.progress import Progress
from evals.tasks.task import load_tasks
from orchestrator.config.model import Config

DROP_AFTER_S = 0.001


async def swap(
    progress: Progress,
    settings: Config,
    experts: int,
    requests: int,
    bound_s: float,
    seed: int,
    json_out: Path | None,
) -> Callable[[Console], int]:
    """`coterie bench-swap`."""
    work = make_workload(settings, load_tasks(), experts, requests, seed)
    starts = await runs.measure_starts(work.config, 3, progress)
    grouped = await runs.run_grouped(work.config, work.questions, progress)
    progress.say(f"ours: {grouped.loads} loads, {grouped.seconds:.1f} s")
    hostile = await runs.run_hostile(
        bounded(work.config, bound_s), work.questions, bound_s, progress
    )
    progress.say(f"hostile stream: longest wait {max(hostile.waits_s):.1f} s")
    first_come = await runs.run_first_come(work.config, work.questions, progress)
    progress.say(f"first come + LRU: {first_come.loads} loads, {first_come.seconds:.1f} s")
    per_request = await runs.run_per_request(
        forgetful(work.config, DROP_AFTER_S), work.questions, progress
    )
    progress.say(f"a load per request: {per_request.loads} loads, {per_request.seconds:.1f} s")
    bench = SwapBench(len(work.experts), starts, grouped, first_come, per_request, hostile)
    if json_out:
        write_json(json_out, bench)
    return partial(print_swap, bench=bench)
