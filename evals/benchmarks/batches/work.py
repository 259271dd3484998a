"""The pool and the file of the batch benchmark: every expert, a router and a panel, mixed."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evals.benchmarks.swap.workload import EXPERT_GB, as_copy
from evals.client.ask import Question
from evals.client.service import without_keys
from evals.tasks.task import Task
from experts.errors import ConfigError
from experts.spec import VllmSpec
from orchestrator.config.model import CompositionConfig, Config

ROOM = 3
"""Experts that the slot fits: a panel, and none beside it."""
PROCESS_GB = 1.6
"""What the slot's process takes at most, so that a fourth expert never fits."""
RUNS = 128
"""Requests that an engine of the zoo runs at once: more would wait in it, and so for its end."""
AUTO, PANEL = "pool/auto", "pool/panel"
URL = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Work:
    """A pool of which a slot holds a part, and the lines of a file for all of it."""

    config: Config
    questions: tuple[Question, ...]

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that are loaded by themselves."""
        return tuple(name for name, spec in self.config.hosted().items() if spec.base is None)

    def file(self) -> bytes:
        """The questions as lines of a batch."""
        return b"".join(json.dumps(_line(one)).encode() + b"\n" for one in self.questions)


def make_work(zoo: Config, tasks: Mapping[str, Task], lines: int, seed: int) -> Work:
    """As many lines for each expert, for a router and for a panel, shuffled.

    An expert gets the questions of the task that has its name, or of all. Raises ConfigError where
    the configuration has no kNN router.
    """
    router = next((n for n, keys in zoo.routers.items() if keys["type"] == "knn"), None)
    if router is None or not tasks:
        raise ConfigError("A batch for all of a pool needs a router of type knn, and tasks.")
    known = zoo.hosted()
    models = [*known, AUTO, PANEL]
    questions = tuple(
        _question(tasks, model, number)
        for number in range(-(-lines // len(models)))
        for model in models
    )[:lines]
    shuffled = random.Random(seed).sample(questions, len(questions))
    return Work(_config(zoo, router), tuple(shuffled))


def _question(tasks: Mapping[str, Task], model: str, number: int) -> Question:
    every = list(tasks.values())
    task = tasks.get(model) or every[number % len(every)]
    samples = task.samples("test")
    sample = samples[number // (1 if model in tasks else len(every)) % len(samples)]
    return replace(Question.of(task, sample, model), id=f"{model}-{number}")


def _alone(spec: VllmSpec) -> VllmSpec:
    """In a slot of which it takes its part; no more is under way than its engine runs at once."""
    return as_copy(spec).model_copy(update={"max_in_flight": RUNS})


def _config(zoo: Config, router: str) -> Config:
    experts = {
        name: _alone(spec) if isinstance(spec, VllmSpec) and spec.base is None else spec
        for name, spec in zoo.hosted().items()
    }
    room = {"count": 1, "memory_gb": ROOM * EXPERT_GB + PROCESS_GB, "preload": False}
    vote = {"type": "vote", "stop_at": None}
    update: dict[str, Any] = {
        "experts": experts,
        "routers": {router: zoo.routers[router]},
        "aggregators": {},
        "compositions": {
            AUTO: CompositionConfig(router=router),
            PANEL: CompositionConfig(router=router, aggregator=vote),
        },
        "slots": zoo.slots.model_copy(update=room),
    }
    return without_keys(zoo.model_copy(update=update))


def _line(question: Question) -> dict[str, Any]:
    return {"custom_id": question.id, "method": "POST", "url": URL, "body": question.body}


def calls_of(
    questions: Sequence[Question], answers: Sequence[Mapping[str, Any]]
) -> dict[str, list[Question]]:
    """Expert -> what it was asked for these lines, by what each answer tells of its making."""
    asked = {question.id: question for question in questions}
    found: dict[str, list[Question]] = {}
    for line in answers:
        question, told = asked[line["custom_id"]], line["response"]["body"]["coterie"]
        for expert, count in (told.get("calls") or {told["expert"]: 1}).items():
            found.setdefault(expert, []).extend([replace(question, model=expert)] * count)
    return found
