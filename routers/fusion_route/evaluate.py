"""Exact-match accuracy of the fused policy and of its controls on held-out questions."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from transformers import PreTrainedTokenizerBase

from experts.errors import ConfigError
from routers.fusion_route.data import Encoder, Question, Say
from routers.fusion_route.decode import Answer, FusedPolicy, Role

MOST_TOKENS = 32
"""As many as the tasks in `evals/tasks` allow."""

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


class _Held(BaseModel):
    """A line of a task's file."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    split: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one role did on one task."""

    task: str
    role: str
    right: int
    questions: int
    experts: Mapping[str, float]
    """Share of the tokens behind which each expert stood; "none" for the router alone."""

    @property
    def accuracy(self) -> float:
        """Share of right answers, in 0..1."""
        return self.right / self.questions

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy.

        Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
        """
        n, p, z2 = self.questions, self.accuracy, Z_95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        spread = math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) * Z_95 / (1 + z2 / n)
        return max(0.0, centre - spread), min(1.0, centre + spread)


def is_right(expected: str, text: str) -> bool:
    """Compare as the tasks' scorer `exact` does: case counts, the number of spaces does not."""
    return " ".join(text.split()) == " ".join(expected.split())


def read_task(path: Path, split: str) -> list[Question]:
    """Read a split of a task's JSONL file. Raises ConfigError with every bad line."""
    problems: list[str] = []
    rows: list[_Held] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.") from error
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_Held.model_validate_json(line))
        except ValidationError as error:
            problems += [f"{path}:{number}: {found['msg']}" for found in error.errors()]
    if problems:
        raise ConfigError(f"{path} is not a task's data.", problems=tuple(problems))
    found = [Question(prompt=row.question, answer=row.answer) for row in rows if row.split == split]
    if not found:
        raise ConfigError(f"{path} has no rows of the split `{split}`.")
    return found


def evaluate(
    policy: FusedPolicy,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    role: Role,
    task: str,
    say: Say,
) -> Result:
    """Ask a role all questions of a task."""
    rows = Encoder(tokenizer, MOST_TOKENS).rows(questions, [""] * len(questions))
    prompts = [row.tokens[: row.prompt] for row in rows]
    answers = policy.decode(prompts, role, MOST_TOKENS, lambda line: say(f"{task}: {line}"))
    texts = [str(tokenizer.decode(answer.tokens, skip_special_tokens=True)) for answer in answers]
    right = sum(is_right(q.answer, text) for q, text in zip(questions, texts, strict=True))
    return Result(task, role.name, right, len(questions), _shares(answers, policy.members))


def _shares(answers: Sequence[Answer], members: Sequence[str]) -> dict[str, float]:
    counts = Counter(index for answer in answers for index in answer.experts)
    names = {-1: "none", **dict(enumerate(members))}
    return {names[index]: count / counts.total() for index, count in sorted(counts.items())}


def table(results: Sequence[Result]) -> str:
    """Draw accuracies in per cent: a line for each role, a column for each task."""
    tasks = list(dict.fromkeys(result.task for result in results))
    roles = list(dict.fromkeys(result.role for result in results))
    cells = {(result.role, result.task): result for result in results}
    width = max(map(len, ("right %", *roles)))
    lines = [f"{'right %':{width}} " + " ".join(f"{task[:10]:>10}" for task in tasks)]
    for role in roles:
        row = [cells.get((role, task)) for task in tasks]
        shown = ["" if cell is None else f"{100 * cell.accuracy:.1f}" for cell in row]
        lines.append(f"{role:{width}} " + " ".join(f"{text:>10}" for text in shown))
    return "\n".join(lines)
