"""Ways to decode with a router and its experts, asked the questions of tasks in plain torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from evals.tasks import Split, Task
from experts.training.data import Say
from routers.fusion_route.decode import Chat, Role


@dataclass(frozen=True, slots=True)
class Answers:
    """What one way of decoding said to the questions of each task, in the tasks' order."""

    name: str
    texts: Mapping[str, tuple[str, ...]]
    scores: Mapping[str, tuple[float, ...]]
    """Of each answer, 0 (wrong) to 1 (right), by the task's own scorer."""

    def flat(self) -> list[float]:
        """The scores of all tasks, one after the other."""
        return list(chain.from_iterable(self.scores.values()))


def ask(chat: Chat, role: Role, tasks: Sequence[Task], split: Split, say: Say) -> Answers:
    """Ask a role every question of a split, greedily, within each task's `max_tokens`."""
    texts: dict[str, tuple[str, ...]] = {}
    # Together, so that more prompts have the same length and share a batch.
    for most in sorted({task.spec.max_tokens for task in tasks}):
        alike = [task for task in tasks if task.spec.max_tokens == most]
        asked = [sample.question for task in alike for sample in task.samples(split)]
        told = iter(chat.answer(asked, role, most, lambda line: say(f"{split} questions: {line}")))
        for task in alike:
            texts[task.name] = tuple(islice(told, len(task.samples(split))))
    scores = {
        task.name: tuple(map(task.score, task.samples(split), texts[task.name])) for task in tasks
    }
    return Answers(role.name, texts, scores)
