"""The pool and the requests of the swapping benchmark."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from evals.client.ask import Question
from evals.tasks.task import Task
from experts.errors import ConfigError
from experts.spec import VllmSpec
from orchestrator.config.model import Config, RequestClass

ROOM = 2
"""Experts that the slot fits."""
EXPERT_GB = 1.0
# The process itself takes 0.8 to 1.5 GB, so that a third expert never fits.
SLOT_GB = ROOM * EXPERT_GB + 1.6


@dataclass(frozen=True, slots=True)
class Workload:
    """One slot that fits two of `experts`, and what to ask them."""

    config: Config
    experts: tuple[str, ...]
    questions: tuple[Question, ...]


def make_workload(
    zoo: Config, tasks: Mapping[str, Task], experts: int, requests: int, seed: int
) -> Workload:
    """`experts` copies of the zoo's models under their own names, asked equally often, shuffled.

    Raises ConfigError when the configuration has no model of its own to copy.
    """
    models = {
        name: spec
        for name, spec in zoo.hosted().items()
        if isinstance(spec, VllmSpec) and spec.base is None and name in tasks
    }
    if not models:
        raise ConfigError("The configuration has no expert with weights and a task of its name.")
    names = [
        (name, f"{name}-{number}")
        for number in range(1, 1 + -(-experts // len(models)))
        for name in models
    ][:experts]
    specs = {alias: as_copy(models[name]) for name, alias in names}
    questions = [
        question_of(tasks[name], alias, i) for i in range(requests) for name, alias in names
    ]
    questions = questions[:requests]
    random.Random(seed).shuffle(questions)
    slots = zoo.slots.model_copy(update={"count": 1, "memory_gb": SLOT_GB, "preload": False})
    config = zoo.model_copy(
        update={
            **{"experts": specs, "slots": slots},
            **{"routers": {}, "aggregators": {}, "compositions": {}},
        }
    )
    return Workload(config, tuple(specs), tuple(questions))


def bounded(config: Config, max_wait_s: float) -> Config:
    """The same pool with another age bound for interactive requests."""
    classes = {**config.classes, "interactive": RequestClass(max_wait_s=max_wait_s)}
    return config.model_copy(update={"classes": classes})


def forgetful(config: Config, max_idle_s: float) -> Config:
    """The same pool, but every expert leaves when it has been idle for `max_idle_s`."""
    experts = {
        name: spec.model_copy(update={"max_idle_s": max_idle_s})
        for name, spec in config.experts.items()
    }
    return config.model_copy(update={"experts": experts})


def as_copy(spec: VllmSpec) -> VllmSpec:
    """The model as it lies in the benchmark's slot."""
    return spec.model_copy(update={"memory_gb": EXPERT_GB, "preload": False, "pin": False})


def question_of(task: Task, model: str, number: int) -> Question:
    """A held-out question of the task, counted round."""
    samples = task.samples("test")
    sample = samples[number % len(samples)]
    return replace(Question.of(task, sample, model), id=f"{sample.id}#{number}")
