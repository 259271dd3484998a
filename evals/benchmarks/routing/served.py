"""Compositions of a running pool on the tasks' test questions, beside every expert of the pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evals.client.ask import Answer, Question, ask_many, describe_failures
from evals.client.progress import Progress
from evals.client.service import serving
from evals.tasks.judged import without_judges
from evals.tasks.task import Task, asked, find_tasks, score_many
from experts.errors import ConfigError, ServiceError
from experts.openai import ExpertClient
from orchestrator.config.model import Config

IN_FLIGHT = 32
MOST_FAILED = 0.05
"""Larger shares of failed calls say that something else is wrong than the answers."""
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one model was asked, task by task."""

    scores: Mapping[str, Scores]
    """[questions of the task] each."""
    alarms: Mapping[str, float]
    """Share of the task's questions at which the router's guard raised an alarm."""
    tokens: Mapping[str, Scores] = field(default_factory=dict)
    """[questions of the task] read and written by all experts, for each."""
    prices: Mapping[str, Scores] = field(default_factory=dict)
    """[questions of the task] of these tokens, in USD."""
    calls: Mapping[str, Scores] = field(default_factory=dict)
    """[questions of the task] how often experts were asked, for each."""
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The answers to the questions of the task."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything that was measured."""

    tasks: tuple[str, ...]
    owned: frozenset[str]
    """The tasks that are one expert's own."""
    foreign: frozenset[str]
    """The tasks about which no expert knows anything: an alarm is right there."""
    experts: Mapping[str, Asked]
    compositions: Mapping[str, Asked]
    votes: frozenset[str] = frozenset()
    """The compositions that take the answer of one expert, or the one that most of them gave."""

    def oracle(self, task: str) -> float:
        """Share of the questions that some expert answers."""
        return float(np.max([one.scores[task] for one in self.experts.values()], axis=0).mean())


async def ask_pool(
    progress: Progress, settings: Config, compositions: tuple[str, ...], names: tuple[str, ...]
) -> Pool:
    """Ask compositions and every expert the test questions. Raises ConfigError, ServiceError."""
    if unknown := [name for name in compositions if name not in settings.compositions]:
        known = ", ".join(settings.compositions) or "none"
        raise ConfigError(f"No composition is called {', '.join(unknown)} (known: {known}).")
    tasks = asked(without_judges(find_tasks(names), "coterie eval pool or panels"), "test")
    async with serving(settings, progress) as service:
        prices = {name: spec.price_usd_per_mtok for name, spec in settings.experts.items()}
        found = await measure(service.base_url, prices, compositions, tasks, progress)
    return replace(found, votes=frozenset(filter(partial(_votes, settings), compositions)))


def _votes(settings: Config, composition: str) -> bool:
    aggregator = settings.compositions[composition].aggregator
    keys = settings.aggregators.get(aggregator) if isinstance(aggregator, str) else aggregator
    kind = keys.get("type") if keys is not None else aggregator
    return kind in (None, "vote")


async def measure(
    base_url: str,
    experts: Mapping[str, float],
    compositions: Sequence[str],
    tasks: Sequence[Task],
    progress: Progress,
) -> Pool:
    """Ask all of them everything; `experts` maps each to its price of a million tokens, in USD.

    A call that fails counts as wrong; raises ServiceError where more than a few do.
    """
    found: dict[str, Asked] = {}
    async with ExpertClient() as client:
        for model in (*experts, *compositions):
            samples = [(task, sample) for task in tasks for sample in task.samples("test")]
            questions = [Question.of(task, sample, model) for task, sample in samples]
            answers = await ask_many(
                client,
                f"{base_url}/v1",
                questions,
                in_flight=IN_FLIGHT,
                stream=False,
                on_answer=progress.counting(f"asking {model}", len(questions), "answers"),
            )
            _tell_failures(model, answers, progress)
            by_task: dict[str, list[tuple[float, ...]]] = {task.name: [] for task in tasks}
            texts: dict[str, list[str]] = {task.name: [] for task in tasks}
            pairs = list(zip(samples, answers, strict=True))
            scores = score_many([(*question, answer.text) for question, answer in pairs])
            for ((task, _), answer), score in zip(pairs, scores, strict=True):
                tokens = sum(answer.tokens.values())
                numbers = (bool(answer.fallback), tokens, _price(answer, experts), answer.calls)
                by_task[task.name].append((score, *numbers))
                texts[task.name].append(answer.text)
            columns = {name: np.array(rows, dtype=float).T for name, rows in by_task.items()}
            found[model] = Asked(
                {name: rows[0] for name, rows in columns.items()},
                {name: float(rows[1].mean()) for name, rows in columns.items()},
                {name: rows[2] for name, rows in columns.items()},
                {name: rows[3] for name, rows in columns.items()},
                {name: rows[4] for name, rows in columns.items()},
                {name: tuple(said) for name, said in texts.items()},
            )
            progress.say(f"{model} has answered {len(samples)} questions")
    return Pool(
        tuple(task.name for task in tasks),
        frozenset(task.name for task in tasks if task.owner(experts)),
        frozenset(task.name for task in tasks if task.spec.outside),
        {name: found[name] for name in experts},
        {name: found[name] for name in compositions},
    )


def _price(answer: Answer, prices: Mapping[str, float]) -> float:
    return sum(count * prices.get(name, 0.0) for name, count in answer.tokens.items()) / 1e6


def _tell_failures(model: str, answers: Sequence[Answer], progress: Progress) -> None:
    """A question without an answer counts as wrong. Raises ServiceError where many have none."""
    failed = [one for one in answers if one.error is not None]
    if len(failed) > MOST_FAILED * len(answers):
        first = failed[0]
        raise ServiceError(
            f"{model} failed at {len(failed)} of {len(answers)} questions, first at"
            f" {first.question.id}: {first.error}"
        )
    for line in describe_failures(failed):
        progress.say(f"counted as wrong: {line.removeprefix('FAILED: ')}")
