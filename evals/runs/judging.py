"""The part of a run's second stage that asks: an expert grades the answers of judged tasks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evals.runs.asking.asker import Asker
from evals.runs.forecast import Wanted
from evals.runs.questions import Asked
from evals.runs.scoring import NO_GRADE, Key, Verdict, key_of
from evals.runs.subjects.calls import read
from evals.runs.subjects.given import Given
from evals.scoring.judge import questions_for
from evals.tasks.judged import grades
from experts.types import Request


def to_grade(given: Iterable[Given]) -> Mapping[Key, Asked]:
    """The answers that an expert has to grade; equal texts once, and nothing on the way to them."""
    return {
        key_of(one.asked, one.text): one.asked
        for one in given
        if one.error is None and one.asked.task.judge_of(one.asked.sample) is not None
    }


async def graded(wanted: Mapping[Key, Asked], asker: Asker) -> dict[Key, Verdict]:
    """Their verdicts; one without a grade has an error that says why.

    The calls go through the cache and are grouped by expert, as all others are.
    Raises ServiceError.
    """

    async def ask(expert: str, body: dict[str, Any]) -> str:
        reply = await asker.ask(expert, Request("judge", "chat/completions", body))
        return read(expert, reply.response).text

    answers = [(asked.task, asked.sample, key[2]) for key, asked in wanted.items()]
    found = await grades(ask, answers)
    return {
        key: Verdict(0.0, f"{NO_GRADE}: {one.problem}") if one.score is None else Verdict(one.score)
        for key, one in zip(wanted, found, strict=True)
    }


def add_grades(wanted: Wanted, rows: Sequence[Asked], subjects: int) -> int:
    """Add the grades that a run asks for, one for each answer, to its calls; their number.

    What is graded is not known yet, so that the judge's prompts are counted without the answers.
    """
    count = 0
    for row in rows:
        options = row.task.judge_of(row.sample)
        if options is None:
            continue
        (body,) = questions_for(options, [row.task.graded(row.sample, "")])
        wanted.later.append((options.expert, Request("judge", "chat/completions", body), subjects))
        count += subjects
    return count
