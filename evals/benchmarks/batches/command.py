"""`coterie bench-batch`: the whole benchmark, one measurement after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.benchmarks.batches.bare import Bare, ask_engines
from evals.benchmarks.batches.batch_report import (
    BARE_RUNS,
    BatchBench,
    Live,
    print_batches,
    write_json,
)
from evals.benchmarks.batches.large import Large, large_file
from evals.benchmarks.batches.live import live_requests
from evals.benchmarks.batches.served import Served, read_answers, serve_file
from evals.benchmarks.batches.work import ROOM, Work, calls_of, make_work
from evals.client.ask import Question
from evals.client.gateway_process import Gateway, gateway
from evals.client.progress import Progress
from evals.reporting.table import Finish
from evals.tasks.task import load_tasks
from orchestrator.config.model import DEFAULT_CLASS, Config

STAGES = 1
FILE, ANSWERS = "lines.jsonl", "answers.jsonl"


async def batches(
    progress: Progress,
    settings: Config,
    lines: int,
    rate: float,
    rounds: int,
    seed: int,
    json_out: Path | None,
) -> Finish:
    """`coterie bench-batch`: the bare engines `rounds` times, each between two of the gateway."""
    work = make_work(settings, load_tasks(), lines, seed)
    with TemporaryDirectory(prefix="coterie-batch-") as made:
        folder = Path(made)
        (folder / FILE).write_bytes(work.file())
        config = work.config.model_copy(update={"store": f"sqlite:{folder / 'store.db'}"})
        work = replace(work, config=config)
        alone = [await _fresh(work, folder, progress)]
        calls = calls_of(work.questions, read_answers(folder / ANSWERS))
        bare: list[Bare] = []
        for left in reversed(range(rounds)):
            bare += [await _bare(work, calls, progress) for _ in range(BARE_RUNS)]
            if left:
                alone.append(await _fresh(work, folder, progress))
        last, beside, live = await _last(work, rate, folder, progress)
        large = await _large(work, folder, progress)
    runs = (*alone, last)
    bench = BatchBench(len(config.experts), STAGES, runs, beside, tuple(bare), live, large)
    if json_out:
        write_json(json_out, bench)
    return partial(print_batches, bench=bench)


async def _bare(work: Work, calls: Mapping[str, Sequence[Question]], progress: Progress) -> Bare:
    bare = await ask_engines(work.config, calls, work.config.batches.in_flight, progress)
    progress.say(f"bare engines: {bare.seconds:.1f} s")
    return bare


async def _fresh(work: Work, folder: Path, progress: Progress) -> Served:
    """The file by itself; the first time, nothing is known of its engines."""
    progress.doing("starting the gateway")
    async with gateway(work.config, folder) as served:
        return await _alone(served, served.memory_mb(), folder, progress)


async def _last(
    work: Work, rate: float, folder: Path, progress: Progress
) -> tuple[Served, Served, Live]:
    """The file by itself, then beside live requests, by a gateway that knows the costs."""
    progress.doing("starting the gateway")
    async with gateway(work.config, folder) as served:
        idle_mb = served.memory_mb()
        alone = await _alone(served, idle_mb, folder, progress)
        async with live_requests(served.url, _live(work), rate) as stream:
            beside = await serve_file(
                served,
                idle_mb,
                folder / FILE,
                folder / "beside.jsonl",
                "beside live requests",
                progress,
            )
        progress.say(f"beside live requests: {beside.seconds:.1f} s")
    bound_s = work.config.classes[DEFAULT_CLASS].max_wait_s
    waits_s = tuple(answer.waited_s for answer in stream.answers)
    failed = sum(answer.error is not None for answer in stream.answers)
    assert bound_s is not None, "the class of live requests has an age bound"
    return alone, beside, Live(len(waits_s), failed, bound_s, waits_s)


async def _alone(served: Gateway, idle_mb: float, folder: Path, progress: Progress) -> Served:
    file, answers = folder / FILE, folder / ANSWERS
    alone = await serve_file(served, idle_mb, file, answers, "the batch", progress)
    progress.say(f"the batch: {alone.seconds:.1f} s, {sum(alone.loads.values())} loads")
    return alone


async def _large(work: Work, folder: Path, progress: Progress) -> Large:
    """A file as large as may be, by a gateway that has just started."""
    progress.doing("starting the gateway")
    async with gateway(work.config, folder) as served:
        large = await large_file(served, work.questions[0].model, folder, progress)
    progress.say(f"a file of {large.mb:.0f} MB: {large.seconds:.1f} s")
    return large


def _live(work: Work) -> list[Question]:
    """A question for each of several experts, of which the slot does not hold all."""
    first = {question.model: question for question in reversed(work.questions)}
    return [first[name] for name in work.engines if name in first][: ROOM + 1]
