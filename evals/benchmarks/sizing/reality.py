"""`coterie bench-size`: what sizing says of a pool, beside what that pool then does.

The zoo in slots that fit two experts each. One slot is served and measured; its trace and its
costs, as `coterie size` would read them, foretell the waits in one slot and in two; then two slots
are served the same calls.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from evals.benchmarks.sizing.command import waited
from evals.benchmarks.sizing.drawn import draw_traffic, read_mix
from evals.benchmarks.sizing.pool import Estimates, pool_of
from evals.benchmarks.sizing.search import Row, Study, Waits, Wish
from evals.benchmarks.sizing.speeds import Given, find_speeds
from evals.benchmarks.sizing.trace_file import read_traffic
from evals.benchmarks.sizing.traffic import Traffic, with_tokens
from evals.benchmarks.swap.workload import SLOT_GB, as_copy, question_of
from evals.client.ask import Answer, Question, ask
from evals.client.progress import Progress
from evals.client.service import serving
from evals.reporting.table import print_table, say
from evals.tasks.task import load_tasks
from experts.errors import ConfigError, ServiceError
from experts.footprint.device import expected
from experts.openai import ExpertClient
from experts.spec import VllmSpec
from orchestrator.config.model import DEFAULT_CLASS, Config
from orchestrator.residency.cost_store import known_costs

OFF_AT_MOST = 2.0
"""Times that a wait may be longer, or shorter, than what was foretold."""
SLOTS = (1, 2)
NO_WAIT_S = 0.05
"""Waits below this are alike."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One number of slots."""

    slots: int
    foretold: Row
    measured: Waits
    loads: int
    """That were really made."""
    failures: int

    @property
    def off(self) -> tuple[float, float]:
        """Times that p50 and p95 were longer than foretold."""
        said = self.foretold.waits[DEFAULT_CLASS]
        pairs = ((self.measured.p50, said.p50), (self.measured.p95, said.p95))
        p50, p95 = (max(real, NO_WAIT_S) / max(told, NO_WAIT_S) for real, told in pairs)
        return p50, p95

    @property
    def met(self) -> bool:
        """Whether neither is further off than it may be."""
        return not self.failures and all(1 / OFF_AT_MOST <= off <= OFF_AT_MOST for off in self.off)


async def reality(
    progress: Progress,
    settings: Config,
    rate: float,
    requests: int,
    seed: int,
    json_out: Path | None,
) -> Callable[[Console], int]:
    """Measure one slot, foretell both, measure two."""
    with tempfile.TemporaryDirectory(prefix="coterie-size-") as folder:
        configs = [crowded(settings, Path(folder), slots) for slots in SLOTS]
        calls = draw_traffic(
            rate,
            read_mix("even", configs[0]),
            minutes=requests / rate / 60,
            most=requests,
            prompt_tokens=1,
            completion_tokens=1,
            seed=seed,
        )
        one = await _serve(configs[0], calls, progress)
        foretold = [await _foretell(configs[0], slots, progress) for slots in SLOTS]
        two = await _serve(configs[1], calls, progress)
    compared = [
        Compared(slots, row, *real)
        for slots, row, real in zip(SLOTS, foretold, (one, two), strict=True)
    ]
    return partial(
        print_reality, rate=rate, requests=requests, compared=compared, json_out=json_out
    )


def print_reality(
    console: Console,
    rate: float,
    requests: int,
    compared: Sequence[Compared],
    json_out: Path | None,
) -> int:
    """The table, and whether it is near enough; returns the exit code."""
    if json_out is not None:
        text = json.dumps([asdict(one) for one in compared], indent=1)
        json_out.write_text(f"{text}\n", encoding="utf-8")
    say(console, f"{requests} calls, {rate:g} a second, by chance; slots fit two of the experts.")
    rows = []
    for one in compared:
        said, real = one.foretold.waits[DEFAULT_CLASS], one.measured
        pairs = ((said.p50, real.p50), (said.p95, real.p95), (said.p99, real.p99))
        cells = [f"{seconds:.2f}" for pair in pairs for seconds in pair]
        rows.append((str(one.slots), *cells, str(one.foretold.loads), str(one.loads)))
    heads = ("p50 told", "real", "p95 told", "real", "p99 told", "real", "loads told", "real")
    print_table(console, ("slots", *heads), rows)
    say(console)
    for one in compared:
        p50, p95 = one.off
        verdict = "ok    " if one.met else "MISSED"
        say(
            console,
            f"{verdict} {one.slots} slots: p50 {p50:.2f} times and p95 {p95:.2f} times what was"
            f" foretold (target: {1 / OFF_AT_MOST:g} to {OFF_AT_MOST:g}), {one.failures} failed",
            None if one.met else "bold red",
        )
    return 0 if all(one.met for one in compared) else 1


def crowded(settings: Config, folder: Path, slots: int) -> Config:
    """The pool in slots that fit two experts each. Raises ConfigError where it has too few."""
    tasks = load_tasks()
    experts = {
        name: as_copy(spec)
        for name, spec in settings.hosted().items()
        if isinstance(spec, VllmSpec) and spec.base is None and name in tasks
    }
    if len(experts) <= 2:
        raise ConfigError("The configuration has too few experts with a task of their name.")
    room = {"count": slots, "memory_gb": SLOT_GB, "preload": True}
    return settings.model_copy(
        update={
            **{"experts": experts, "routers": {}, "aggregators": {}, "compositions": {}},
            "slots": settings.slots.model_copy(update=room),
            "store": f"sqlite:{folder / 'store.db'}",
            "traces": settings.traces.model_copy(
                update={"file": folder / f"traces-{slots}.jsonl", "sample": 1.0}
            ),
        }
    )


async def _serve(config: Config, calls: Traffic, progress: Progress) -> tuple[Waits, int, int]:
    """The waits, the loads and the failures of a service that gets these calls."""
    tasks = load_tasks()
    questions = [
        question_of(tasks[call.expert], call.expert, n) for n, call in enumerate(calls.calls)
    ]
    async with serving(config, progress, tell=False) as service, ExpertClient() as client:
        before = await _loads(client, service.base_url)
        done = progress.counting(f"{config.slots.count} slots", len(questions), "answers")
        started = asyncio.get_running_loop().time()

        async def one(question: Question, at_s: float) -> Answer:
            # The pace of the experiment, not a wait for something to happen.
            await asyncio.sleep(started + at_s - asyncio.get_running_loop().time())
            answer = await ask(client, f"{service.base_url}/v1", question)
            done(answer)
            return answer

        asked = (one(q, call.at_s) for q, call in zip(questions, calls.calls, strict=True))
        answers = await asyncio.gather(*asked)
        loads = await _loads(client, service.base_url) - before
    assert config.traces.file is not None
    found = waited(read_traffic(config.traces.file, config))
    if found is None:
        raise ServiceError("No call was answered.")
    progress.say(f"{config.slots.count} slots: {loads} loads, p95 {found.waits.p95:.2f} s")
    return found.waits, loads, sum(answer.error is not None for answer in answers)


async def _foretell(config: Config, slots: int, progress: Progress) -> Row:
    """As `coterie size` does, from the trace and the store of the first service."""
    assert config.traces.file is not None
    traffic = with_tokens(read_traffic(config.traces.file, config))
    known = await known_costs(config.store, config.hosted(), progress.say)
    pool = pool_of(config, expected(config.slots.gpus), known, Estimates())
    speeds = find_speeds(traffic, pool.engine_of, {}, Given(), pool.on_gpu)
    for note in speeds.notes if slots == SLOTS[0] else ():
        progress.say(note)
    needs = [speeds.needs(call) for call in traffic.calls]
    return Study(pool, traffic, needs, Wish({DEFAULT_CLASS: 10.0})).row(slots)


async def _loads(client: ExpertClient, base_url: str) -> int:
    state = (await client.get(f"{base_url}/coterie/pool")).json()
    return sum(entry["count"] for entry in state["loads"].values())
