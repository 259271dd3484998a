"""`coterie demo`: the pool, asked through its router, beside its best expert."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from typing import Any

import httpx
from rich.console import Console

from evals.client.ask import Question, ask, ask_many, describe_failures
from evals.client.progress import Progress
from evals.client.service import serving
from evals.reporting.scoreboard import Line, Run, Scoreboard, make_scoreboard
from evals.reporting.table import Finish, interval, percent, print_table, say, tenths
from evals.tasks.judged import without_judges
from evals.tasks.task import Sample, Task, asked, find_tasks, score_many
from experts.errors import ConfigError, ServiceError
from experts.openai import ExpertClient
from orchestrator.config.model import Config

POOL = "pool/auto"
IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class Item:
    """A held-out question with the task that scores it."""

    task: Task
    sample: Sample

    def question(self, model: str) -> Question:
        """The call that puts it to a model."""
        return Question.of(self.task, self.sample, model)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that the demo prints after its last answer."""

    items: tuple[Item, ...]
    pool: Run
    experts: tuple[Run, ...]
    loads: dict[str, Any]
    seconds: float

    @property
    def runs(self) -> tuple[Run, ...]:
        """The composition first."""
        return (self.pool, *self.experts)


def choose(tasks: Sequence[Task], per_skill: int) -> tuple[Item, ...]:
    """Spread `per_skill` questions evenly over each test set, and mix the skills."""
    columns = []
    for task in tasks:
        samples = task.samples("test")
        count = min(per_skill, len(samples))
        chosen = (samples[number * len(samples) // count] for number in range(count))
        columns.append([Item(task, sample) for sample in chosen])
    mixed = chain.from_iterable(zip_longest(*columns))
    return tuple(item for item in mixed if item is not None)


async def demo(
    progress: Progress, settings: Config, questions: int, names: Sequence[str] = ()
) -> Finish:
    """Serve the configuration, ask, and print the table. Raises ConfigError, ServiceError.

    Without names, only skills that one expert owns are asked.
    """
    if POOL not in settings.compositions:
        raise ConfigError(f"The configuration has no composition `{POOL}`, which the demo asks.")
    found = find_tasks(names) if names else _owned(settings)
    tasks = asked(without_judges(found, "coterie demo"), "test")
    experts = tuple(settings.answering)
    async with serving(settings, progress) as service:
        result = await run_demo(service.base_url, experts, tasks, questions, progress)
    return partial(print_result, result=result, experts=experts)


def _owned(settings: Config) -> tuple[Task, ...]:
    tasks = tuple(task for task in find_tasks(()) if task.owner(settings.experts))
    if not tasks:
        raise ConfigError(
            "No expert of the configuration is a specialist of the tasks that are asked by"
            " default, those of the zoo.",
            hint="Name your own questions: --task mine.jsonl.",
        )
    return tasks


async def run_demo(
    base_url: str,
    experts: Sequence[str],
    tasks: Sequence[Task],
    per_skill: int,
    progress: Progress,
) -> Result:
    """Ask the composition and then every expert; `base_url` is the service's, without /v1.

    Raises ServiceError when the first question is not answered at all.
    """
    items = choose(tasks, per_skill)
    started = time.perf_counter()
    async with ExpertClient() as client:
        await _first(client, base_url, items[0], progress)
        pool, *alone = [
            await _run(client, base_url, name, items, progress) for name in (POOL, *experts)
        ]
        status = await client.get(f"{base_url}/coterie/pool", timeout=30.0)
    loads = status.json()["loads"]
    return Result(items, pool, tuple(alone), loads, time.perf_counter() - started)


async def _first(client: httpx.AsyncClient, base_url: str, item: Item, progress: Progress) -> None:
    progress.doing(f"asking {POOL} the first question")
    answer = await ask(client, f"{base_url}/v1", item.question(POOL))
    if answer.error is not None:
        raise ServiceError(f"The first question failed: {answer.error}")
    progress.say(
        f'first routed answer: "{item.sample.question}" -> "{answer.text.strip()}"'
        f" from {answer.expert or 'an unnamed expert'}, {1000 * answer.seconds:.0f} ms"
        f" after the question and {progress.seconds:.1f} s after the start"
    )


async def _run(
    client: httpx.AsyncClient,
    base_url: str,
    model: str,
    items: Sequence[Item],
    progress: Progress,
) -> Run:
    count = progress.counting(f"asking {model}", len(items), "answers")
    questions = [item.question(model) for item in items]
    started = time.perf_counter()
    answers = await ask_many(
        client, f"{base_url}/v1", questions, in_flight=IN_FLIGHT, on_answer=count
    )
    seconds = time.perf_counter() - started
    said = ["" if answer.error else answer.text for answer in answers]
    found = score_many(
        [(item.task, item.sample, text) for item, text in zip(items, said, strict=True)]
    )
    pairs = zip(answers, found, strict=True)
    scores = tuple(0.0 if answer.error else score for answer, score in pairs)
    run = Run(model, tuple(answers), scores, seconds)
    failed = f", {len(run.failures)} FAILED" if run.failures else ""
    progress.say(f"{model}: {sum(scores):.0f} of {len(items)} right in {seconds:.1f} s{failed}")
    return run


def print_result(console: Console, result: Result, experts: Sequence[str]) -> int:
    """Print the table and the verdict; returns the exit code."""
    skills = [item.task.name for item in result.items]
    board = make_scoreboard(result.pool, result.experts, skills)
    say(console)
    _print_board(console, board, list(dict.fromkeys(skills)))
    failures = describe_failures(answer for run in result.runs for answer in run.answers)
    for sentence in (*_facts(result, experts), *failures, board.verdict()):
        say(console, sentence)
    return 0 if board.pool_wins and not failures else 1


def _print_board(console: Console, board: Scoreboard, skills: Sequence[str]) -> None:
    skills = sorted(skills)
    shown = skills if console.width >= 60 + 6 * len(skills) else []
    columns = ["model", "right %", "95 % interval", *(skill[:5] for skill in shown)]
    print_table(
        console,
        [*columns, "tokens/s", "first ms"],
        [_cells(line, shown) for line in board.lines],
        bold=0,
    )
    say(console)


def _cells(line: Line, skills: Sequence[str]) -> list[str]:
    return [
        line.name,
        tenths(line.accuracy.mean),
        interval(line.accuracy),
        *(percent(line.by_skill.get(skill)) for skill in skills),
        "" if line.tokens_per_s is None else f"{line.tokens_per_s:.0f}",
        "" if line.first_token_ms is None else f"{line.first_token_ms:.0f}",
    ]


def _facts(result: Result, experts: Sequence[str]) -> list[str]:
    """Loads, volume and speed in sentences."""
    requests = sum(len(run.answers) for run in result.runs)
    tokens = sum(run.tokens for run in result.runs)
    loads = sum(load["count"] for load in result.loads.values())
    load_s = [load["seconds"] for load in result.loads.values() if load["count"]] or [0.0]
    pairs = zip(result.items, result.pool.answers, strict=True)
    chosen = [
        owner == answer.expert for item, answer in pairs if (owner := item.task.owner(experts))
    ]
    owned = (
        f" {POOL} chose the skill's own expert for {sum(chosen)} of {len(chosen)} questions."
        if chosen
        else ""
    )
    return [
        f"{len(result.items)} held-out questions, {requests} requests with {IN_FLIGHT} in flight,"
        f" {result.seconds:.1f} s, {tokens / result.seconds:.0f} tokens/s overall;"
        f" first ms is the median time to the first token.",
        f"{loads} loads of experts, {min(load_s):.1f} to {max(load_s):.1f} s each.{owned}",
    ]
