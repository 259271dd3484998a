"""`coterie zoo report`: every expert on every task's held-out questions, and the zoo's rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from evals.client.ask import Answer, Question, ask_many, describe_failures
from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from evals.reporting.table import Finish, percent, print_table, say
from evals.tasks.task import Task, load_tasks
from experts.openai import ExpertClient
from experts.spec import VllmSpec
from orchestrator.config.model import Config

OWN_AT_LEAST = 0.95
FOREIGN_AT_MOST = 0.40
IN_FLIGHT = 32


@dataclass(frozen=True, slots=True)
class Report:
    """`accuracy[expert][task]` in 0..1; `sizes_mb[expert]` is the size of its weights' files."""

    accuracy: Mapping[str, Mapping[str, float]]
    sizes_mb: Mapping[str, float | None]
    questions: Mapping[str, int]
    owners: Mapping[str, str | None]
    """Task -> the expert whose own skill it is."""
    failures: tuple[Answer, ...] = ()

    def broken(self, expert: str, task: str) -> str | None:
        """The rule that an expert breaks on a task, in a sentence; None where it keeps them."""
        score, of = self.accuracy[expert][task], self.owners[task]
        if of == expert and score < OWN_AT_LEAST:
            return f"{expert} has {percent(score)} % on its own {task} (at least 95 % is the rule)."
        if of != expert and score > FOREIGN_AT_MOST:
            return f"{expert} has {percent(score)} % on {task}, not its own (at most 40 %)."
        return None

    @property
    def violations(self) -> list[str]:
        """Every broken rule."""
        found = (self.broken(e, task) for e, row in self.accuracy.items() for task in row)
        return [sentence for sentence in found if sentence]


async def report(progress: Progress, settings: Config) -> Finish:
    """Serve the experts, ask them, and print the matrix. Raises ServiceError."""
    tasks = tuple(load_tasks().values())
    settings = without_routers(settings)
    folders = {
        name: Path(spec.model) if isinstance(spec, VllmSpec) else None
        for name, spec in settings.experts.items()
    }
    async with serving(settings, progress) as service:
        result = await run_report(service.base_url, folders, tasks, progress)
    return partial(print_report, report=result)


async def run_report(
    base_url: str,
    experts: Mapping[str, Path | None],
    tasks: Sequence[Task],
    progress: Progress,
) -> Report:
    """Ask every expert every held-out question, one expert after the other.

    `experts` maps each name to the folder of its weights, if it has one here.
    """
    accuracy: dict[str, dict[str, float]] = {}
    failures: list[Answer] = []
    async with ExpertClient() as client:
        for expert in experts:
            accuracy[expert] = {}
            for task in tasks:
                samples = task.samples("test")
                questions = [Question.of(task, sample, expert) for sample in samples]
                text = f"asking {expert} the questions of {task.name}"
                answers = await ask_many(
                    client,
                    f"{base_url}/v1",
                    questions,
                    in_flight=IN_FLIGHT,
                    stream=False,
                    on_answer=progress.counting(text, len(questions), "answers"),
                )
                failures += [answer for answer in answers if answer.error]
                right = sum(
                    0.0 if answer.error else task.score(sample, answer.text)
                    for sample, answer in zip(samples, answers, strict=True)
                )
                accuracy[expert][task.name] = right / len(samples)
            progress.say(f"{expert}: asked")
    sizes = {n: None if folder is None else weights_mb(folder) for n, folder in experts.items()}
    counts = {task.name: len(task.samples("test")) for task in tasks}
    owners = {task.name: task.owner(experts) for task in tasks}
    return Report(accuracy, sizes, counts, owners, tuple(failures))


def weights_mb(folder: Path) -> float:
    """Size of the weights' files in a folder, in megabytes (10^6 bytes)."""
    files = [path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern)]
    return sum(path.stat().st_size for path in files) / 1e6


def print_report(console: Console, report: Report) -> int:
    """Print the matrix and the broken rules; returns the exit code."""
    tasks = list(report.questions)
    rows = [
        [expert, "-" if size is None else f"{size:.1f}", *(_cell(report, expert, t) for t in tasks)]
        for expert, size in report.sizes_mb.items()
    ]
    rows.append(["questions", "", *(f"{report.questions[task]} " for task in tasks)])
    say(console)
    print_table(console, ["right %", "MB", *(f"{task[:6]} " for task in tasks)], rows)
    say(console, "* an expert's own skill, ! a broken rule")
    failed = describe_failures(report.failures)
    for sentence in (*report.violations, *failed):
        say(console, sentence)
    if report.violations or failed:
        return 1
    say(console, "Every expert keeps the rules of the zoo.")
    return 0


def _cell(report: Report, expert: str, task: str) -> str:
    """Percent, with `*` for the expert's own skill and `!` for a broken rule."""
    own = report.owners[task] == expert
    mark = "!" if report.broken(expert, task) else "*" if own else " "
    return percent(report.accuracy[expert][task]) + mark
