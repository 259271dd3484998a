"""`coterie bench-batch`: the whole benchmark, one measurement after the other."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.benchmarks.batches.bare import ask_engines
from evals.benchmarks.batches.batch_report import BatchBench, Live, print_batches, write_json
from evals.benchmarks.batches.live import live_requests
from evals.benchmarks.batches.served import Served, read_answers, serve_file
from evals.benchmarks.batches.work import ROOM, Work, calls_of, make_work
from evals.client.ask import Question
from evals.client.gateway_process import gateway
from evals.client.progress import Progress
from evals.reporting.table import Finish
from evals.tasks.task import load_tasks
from orchestrator.config.model import DEFAULT_CLASS, Config

STAGES = 1


async def batches(
    progress: Progress,
    settings: Config,
    lines: int,
    rate: float,
    seed: int,
    json_out: Path | None,
) -> Finish:
    """`coterie bench-batch`."""
    work = make_work(settings, load_tasks(), lines, seed)
    with TemporaryDirectory(prefix="coterie-batch-") as made:
        folder = Path(made)
        alone, beside, live = await _through_gateway(work, rate, folder, progress)
        calls = calls_of(work.questions, read_answers(folder / "alone.jsonl"))
    bare = await ask_engines(work.config, calls, work.config.batches.in_flight, progress)
    progress.say(f"bare engines: {bare.seconds:.1f} s")
    bench = BatchBench(len(work.config.experts), STAGES, alone, beside, bare, live)
    if json_out:
        write_json(json_out, bench)
    return partial(print_batches, bench=bench)


async def _through_gateway(
    work: Work, rate: float, folder: Path, progress: Progress
) -> tuple[Served, Served, Live]:
    """The file by itself, then again beside live requests."""
    file = folder / "lines.jsonl"
    file.write_bytes(work.file())
    config = work.config.model_copy(update={"store": f"sqlite:{folder / 'store.db'}"})
    progress.doing("starting the gateway")
    async with gateway(config, folder) as served:
        idle_mb = served.memory_mb()
        alone = await serve_file(
            served, idle_mb, file, folder / "alone.jsonl", "the batch", progress
        )
        progress.say(f"the batch: {alone.seconds:.1f} s, {sum(alone.loads.values())} loads")
        async with live_requests(served.url, _live(work), rate) as stream:
            beside = await serve_file(
                served, idle_mb, file, folder / "beside.jsonl", "beside live requests", progress
            )
        progress.say(f"beside live requests: {beside.seconds:.1f} s")
    bound_s = work.config.classes[DEFAULT_CLASS].max_wait_s
    waits_s = tuple(answer.waited_s for answer in stream.answers)
    failed = sum(answer.error is not None for answer in stream.answers)
    assert bound_s is not None, "the class of live requests has an age bound"
    return alone, beside, Live(len(waits_s), failed, bound_s, waits_s)


def _live(work: Work) -> list[Question]:
    """A question for each of several experts, of which the slot does not hold all."""
    first = {question.model: question for question in reversed(work.questions)}
    return [first[name] for name in work.engines if name in first][: ROOM + 1]
