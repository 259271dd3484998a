"""`coterie bench-gateway`: the gateway beside those of others, or under many streams."""

import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from evals.benchmarks.gateways import comparison_report, streams
from evals.benchmarks.gateways.comparison import Load, compare
from evals.benchmarks.gateways.kinds import kinds, our_own
from evals.benchmarks.gateways.processes import Running, fake_engine, gateway
from evals.client.load import load_client
from evals.client.progress import Progress
from evals.reporting.table import Finish

LEVELS, SECONDS = (1, 32, 256, 1000), 3.0
QUICK_LEVELS, QUICK_SECONDS = (1, 32), 1.0


async def bench_gateway(
    progress: Progress, rounds: int, quick: bool, venv: Path, json_out: Path | None
) -> Finish:
    """Compare; gateways that are not installed are left out, and that is said."""
    levels, seconds = (QUICK_LEVELS, QUICK_SECONDS) if quick else (LEVELS, SECONDS)
    loads = [Load(stream, level) for stream in (False, True) for level in levels]
    async with AsyncExitStack() as held:
        engine = await held.enter_async_context(fake_engine(_folder(held)))
        running: list[Running] = [engine]
        for kind in kinds(venv):
            if not kind.installed:
                progress.say(f"{kind.name} is left out: `make gateways` installs it")
                continue
            progress.doing(f"starting {kind.name}")
            starting = gateway(kind, engine, _folder(held))
            running.append(await held.enter_async_context(starting))
            progress.say(f"{kind.name} answers")
        client = await held.enter_async_context(load_client())
        found = await compare(client, running, loads, 1 if quick else rounds, seconds, progress)
    if json_out is not None:
        comparison_report.write_json(json_out, found)
    return partial(comparison_report.print_comparison, found=found)


async def bench_streams(
    progress: Progress, count: int, minutes: float, gap_ms: float, json_out: Path | None
) -> Finish:
    """Many streams at once through our gateway, for minutes."""
    async with AsyncExitStack() as held:
        engine = await held.enter_async_context(fake_engine(_folder(held), gap_ms))
        through = await held.enter_async_context(gateway(our_own(), engine, _folder(held)))
        client = await held.enter_async_context(load_client())
        found = await streams.soak(client, engine, through, count, minutes, gap_ms, progress)
    if json_out is not None:
        streams.write_json(json_out, found)
    return partial(streams.print_soak, found=found)


def _folder(held: AsyncExitStack) -> Path:
    return Path(held.enter_context(tempfile.TemporaryDirectory()))
