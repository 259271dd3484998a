"""`coterie bench-slot`: the measurement, and its table."""

from functools import partial

import httpx
from rich.console import Console

from evals.benchmarks.slot.neighbours import Neighbours, Waits
from evals.client.ask import SILENCE_S
from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from evals.reporting.table import Finish, print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts
from evals.tasks.task import load_tasks
from experts.errors import ConfigError
from orchestrator.config.model import Config

TARGET_S = 1.5
MOST_QUESTIONS = 20


async def slot(
    progress: Progress, settings: Config, resident: str, busy: str, rounds: int
) -> Finish:
    """Serve the two experts in one slot, and measure. Raises ConfigError and ServiceError."""
    hosted = settings.hosted()
    if unknown := [name for name in (resident, busy) if name not in hosted]:
        raise ConfigError(f"No slot hosts {', '.join(unknown)} (it hosts: {', '.join(hosted)}).")
    if (hosted[busy].base or busy) == (hosted[resident].base or resident):
        raise ConfigError(f"{resident} and {busy} share an engine: choose experts that do not.")
    tasks = load_tasks()
    texts = [s.question for s in tasks[resident].samples("test")] if resident in tasks else ["Hi"]
    only = {name: hosted[name] for name in (resident, busy, *_bases(settings, resident, busy))}
    only = {
        name: spec.model_copy(update={"preload": name == resident}) for name, spec in only.items()
    }
    slots = settings.slots.model_copy(update={"count": 1, "preload": False})
    alone = without_routers(settings).model_copy(update={"experts": only, "slots": slots})
    limits = httpx.Limits(max_connections=None)
    async with (
        serving(alone, progress) as service,
        httpx.AsyncClient(timeout=SILENCE_S, trust_env=False, limits=limits) as client,
    ):
        neighbours = Neighbours(
            client, f"{service.base_url}/v1", resident, busy, texts[:MOST_QUESTIONS]
        )
        found = await neighbours.measure(rounds, progress)
    return partial(print_waits, resident=resident, busy=busy, found=found)


def _bases(settings: Config, *experts: str) -> list[str]:
    hosted = settings.hosted()
    return [base for name in experts if (base := hosted[name].base) is not None]


def print_waits(console: Console, resident: str, busy: str, found: list[Waits]) -> int:
    """Print the table and the verdicts; returns the exit code."""
    say(console, f"\nSeconds to the first token of {resident}, beside {busy} in the same slot:")
    columns = ("beside", "takes s", "asked", "median s", "p95 s", "longest s")
    rows = [
        (
            waits.beside,
            f"{waits.seconds:.1f}",
            str(len(waits.first_token_s)),
            f"{waits.quantile(0.5):.3f}",
            f"{waits.quantile(0.95):.3f}",
            f"{waits.quantile(1.0):.3f}",
        )
        for waits in found
    ]
    print_table(console, columns, rows)
    say(console)
    return print_verdicts(
        console,
        [
            Verdict(
                waits.quantile(0.95) <= TARGET_S,
                f"beside {waits.beside}: p95 to the first token is {waits.quantile(0.95):.2f} s"
                f" (target: at most {TARGET_S} s)",
            )
            for waits in found
        ],
    )
