"""Probe questions, which experts answer so that routers and cascades can be fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

from evals.tasks.task import Sample, Task
from experts.types import Request


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe question with the task that scores it."""

    task: Task
    sample: Sample


def probes_of(tasks: Sequence[Task]) -> tuple[Probe, ...]:
    """Every probe question of the tasks."""
    return tuple(Probe(task, sample) for task in tasks for sample in task.samples("probe"))


def request_of(probe: Probe) -> Request:
    """A probe question as it is asked."""
    body = {
        "messages": [{"role": "user", "content": probe.sample.question}],
        "max_tokens": probe.task.spec.max_tokens,
        "temperature": 0.0,
    }
    return Request(probe.sample.id, "chat/completions", body)
