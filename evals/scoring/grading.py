"""Grades answers with an expert, through whatever function asks it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from evals.scoring.judge import Graded, JudgeOptions, again, questions_for, read, unread_problem
from experts.errors import ExpertError

Ask = Callable[[str, dict[str, Any]], Awaitable[str]]
"""An expert and the body of a chat completion to the text of its reply. Raises ExpertError."""


class Grade(NamedTuple):
    """A score in 0..1; without one, `problem` is a sentence that names the sample."""

    score: float | None
    problem: str = ""


async def grade(ask: Ask, options: JudgeOptions, graded: Sequence[Graded]) -> list[Grade]:
    """A grade for each answer, in their order; all are asked for at once.

    A reply without a verdict is asked again once. A call that fails costs one grade; what else
    `ask` raises ends the others, and is raised.
    """
    bodies = questions_for(options, graded)
    tasks = [
        asyncio.create_task(_one(ask, options, _name(one, place), body))
        for place, (one, body) in enumerate(zip(graded, bodies, strict=True))
    ]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one(ask: Ask, options: JudgeOptions, sample: str, body: dict[str, Any]) -> Grade:
    try:
        reply = await ask(options.expert, body)
        score = read(options, reply)
        if score is None:
            reply = await ask(options.expert, again(options, body, reply))
            score = read(options, reply)
    except ExpertError as error:
        why = " ".join(str(error).split())
        return Grade(None, f"The judge {options.expert} failed on the sample {sample}: {why}")
    return Grade(score, "" if score is not None else unread_problem(sample, reply))


def _name(one: Graded, place: int) -> str:
    return getattr(one.sample, "id", None) or f"number {place + 1}"
