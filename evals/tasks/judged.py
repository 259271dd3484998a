"""Tasks whose answers an expert grades: who that is, and their grades through any way to ask."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from evals.scoring.grading import Ask, Grade, grade
from evals.scoring.judge import Graded, JudgeOptions, judge_options
from evals.scoring.registry import JUDGE
from evals.scoring.searching import SlowPattern
from evals.tasks.sample import Sample, Task
from experts.errors import ConfigError

Answered = tuple[Task, Sample, str]
"""A task, its question, and the text of an answer."""


def judges_of(tasks: Sequence[Task]) -> Mapping[str, str]:
    """The expert that grades, by the name of the task or subtask."""
    return {
        spec.name: judge_options(spec.scorer_options).expert
        for task in tasks
        for spec in task.specs
        if spec.scorer == JUDGE
    }


def check_judges(tasks: Sequence[Task], experts: Collection[str]) -> None:
    """Raises ConfigError where an expert has to grade that is not one of these."""
    problems = tuple(
        f"{name}: scorer.expert: the pool has no expert `{expert}`"
        for name, expert in judges_of(tasks).items()
        if expert not in experts
    )
    if problems:
        raise ConfigError(
            "The expert that grades is not in the pool.",
            problems=problems,
            hint=f"Experts of the pool: {', '.join(experts)}.",
        )


def without_judges(tasks: Sequence[Task], command: str) -> tuple[Task, ...]:
    """The tasks. Raises ConfigError where an expert has to grade, which the command cannot ask."""
    if judged := judges_of(tasks):
        raise ConfigError(
            f"`{command}` asks no expert for grades, which the answers to {', '.join(judged)} need"
            " (scorer: judge).",
            hint="`coterie eval run`, `coterie profile` and `coterie expert add` ask for grades.",
        )
    return tuple(tasks)


async def grades(ask: Ask, answers: Sequence[Answered]) -> list[Grade]:
    """A grade for each answer to a judged task, in their order. Raises what `ask` raises."""
    seen = await asyncio.to_thread(lambda: [_seen(one) for one in answers])
    groups: dict[JudgeOptions, list[int]] = defaultdict(list)
    found = [one if isinstance(one, Grade) else Grade(None) for one in seen]
    for place, one in enumerate(seen):
        options = answers[place][0].judge_of(answers[place][1])
        if options is None:
            raise ValueError(f"no expert grades the answers to {answers[place][1].id}")
        if isinstance(one, Graded):
            groups[options].append(place)
    for options, places in groups.items():
        graded = [one for place in places if isinstance(one := seen[place], Graded)]
        for place, result in zip(places, await grade(ask, options, graded), strict=True):
            found[place] = result
    return found


def _seen(one: Answered) -> Graded | Grade:
    """What the judge sees of an answer, or why it sees nothing."""
    task, sample, text = one
    try:
        return task.graded(sample, text)
    except SlowPattern as error:
        return Grade(None, f"Nothing could be read of the answer to {sample.id}: {error}")
