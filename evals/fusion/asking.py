"""Ways to decode with a router and its experts, asked the questions of tasks in plain torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from evals.tasks import Split, Task
from routers.fusion_route.data import Say
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
    scores: dict[str, tuple[float, ...]] = {}
    for task in tasks:
        samples = task.samples(split)
        say(f"{role.name}: {task.name}, {split} questions")
        asked = [sample.question for sample in samples]
        texts[task.name] = tuple(chat.answer(asked, role, task.spec.max_tokens, say))
        scores[task.name] = tuple(map(task.score, samples, texts[task.name]))
    return Answers(role.name, texts, scores)
