"""An answer before it is scored, with what it was made of."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from evals.runs.questions import Asked
from evals.runs.record import Routed
from evals.runs.subjects.calls import Said, Spent

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Given:
    """What a subject says to a question; `error` tells why where it says nothing."""

    subject: str
    asked: Asked
    text: str
    spent: Spent
    error: str | None = None
    expert: str | None = None
    """Who said it, where it was one expert."""
    routed: Routed | None = None
    confidence: float | None = None
    said: Sequence[Said] = ()
    """The answers of experts to this very question, on the way."""


async def together(parts: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results, in order; the first failure ends the others and is raised as it is."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
