"""Compositions of a running pool on the tasks' test questions, beside every expert of the pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.ask import Answer, Question, ask_many
from evals.owners import FOREIGN, owner
from evals.progress import Progress
from evals.tasks import Task
from experts.errors import ServiceError
from experts.openai import ExpertClient

IN_FLIGHT = 32
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one model was asked, task by task."""

    scores: Mapping[str, Scores]
    """[questions of the task] each."""
    alarms: Mapping[str, float]
    """Share of the task's questions at which the router's guard raised an alarm."""


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

    def oracle(self, task: str) -> float:
        """Share of the questions that some expert answers."""
        return float(np.max([one.scores[task] for one in self.experts.values()], axis=0).mean())


async def measure(
    base_url: str,
    experts: Sequence[str],
    compositions: Sequence[str],
    tasks: Sequence[Task],
    progress: Progress,
) -> Pool:
    """Ask all of them everything. Raises ServiceError where a call fails."""
    found: dict[str, Asked] = {}
    async with ExpertClient() as client:
        for model in (*experts, *compositions):
            progress.doing(f"asking {model}")
            samples = [(task, sample) for task in tasks for sample in task.samples("test")]
            questions = [
                Question(sample.id, model, sample.question, task.spec.max_tokens)
                for task, sample in samples
            ]
            answers = await ask_many(
                client, f"{base_url}/v1", questions, in_flight=IN_FLIGHT, stream=False
            )
            scored = [
                (task.name, task.score(sample, answer.text), _alarm(answer))
                for (task, sample), answer in zip(samples, answers, strict=True)
            ]
            found[model] = Asked(
                {t.name: np.array([s for n, s, _ in scored if n == t.name]) for t in tasks},
                {t.name: float(np.mean([a for n, _, a in scored if n == t.name])) for t in tasks},
            )
            progress.say(f"{model} has answered {len(samples)} questions")
    names = [task.name for task in tasks]
    return Pool(
        tuple(names),
        frozenset(name for name in names if owner(name, experts)),
        FOREIGN & {*names},
        {name: found[name] for name in experts},
        {name: found[name] for name in compositions},
    )


def _alarm(answer: Answer) -> bool:
    if answer.error is not None:
        question = answer.question
        raise ServiceError(f"{question.model} failed at {question.id}: {answer.error}")
    return bool(answer.fallback)
