"""Probe questions, which experts answer so that routers and cascades can be fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

from evals.tasks.task import Sample, Task, asked, score_many
from experts.types import Request


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe question with the task that scores it."""

    task: Task
    sample: Sample

    @property
    def judged(self) -> bool:
        """Whether an expert has to grade its answers."""
        return self.task.judge_of(self.sample) is not None


def probes_of(tasks: Sequence[Task]) -> tuple[Probe, ...]:
    """Every probe question of the tasks. Raises ConfigError where a task has none."""
    return tuple(
        Probe(task, sample) for task in asked(tasks, "probe") for sample in task.samples("probe")
    )


def request_of(probe: Probe) -> Request:
    """A probe question as it is asked."""
    return Request(probe.sample.id, "chat/completions", probe.task.body(probe.sample))


def scored(pairs: Sequence[tuple[Probe, str]]) -> list[float]:
    """Quality of answers in 0..1, in their order."""
    return score_many([(probe.task, probe.sample, text) for probe, text in pairs])
