"""Ways to decode with a router and its experts, asked the questions of tasks in plain torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from transformers import PreTrainedTokenizerBase

from evals.tasks import Split, Task
from routers.fusion_route.data import Encoder, Question, Say
from routers.fusion_route.decode import FusedPolicy, Role


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


def ask(
    policy: FusedPolicy,
    tokenizer: PreTrainedTokenizerBase,
    role: Role,
    tasks: Sequence[Task],
    split: Split,
    say: Say,
) -> Answers:
    """Ask a role every question of a split, greedily, within each task's `max_tokens`."""
    texts: dict[str, tuple[str, ...]] = {}
    scores: dict[str, tuple[float, ...]] = {}
    for task in tasks:
        samples, most = task.samples(split), task.spec.max_tokens
        asked = [Question(prompt=sample.question, answer=sample.answer) for sample in samples]
        rows = Encoder(tokenizer, most).rows(asked, [""] * len(asked))
        prompts = [row.tokens[: row.prompt] for row in rows]
        say(f"{role.name}: {task.name}, {split} questions")
        answers = policy.decode(prompts, role, most, say)
        told = [str(tokenizer.decode(one.tokens, skip_special_tokens=True)) for one in answers]
        texts[task.name] = tuple(told)
        scores[task.name] = tuple(map(task.score, samples, told))
    return Answers(role.name, texts, scores)
