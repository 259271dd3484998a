"""Many calls at once, with a deadline, a quorum, and a way to stop early."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import NamedTuple, cast

from aggregators.base import Ask
from aggregators.failures import all_failed_error, failure_reason, no_text_error
from experts.engine import collect
from experts.errors import ExpertError
from experts.prompts import without_thoughts
from experts.types import Chunk, Completion, Request


class Call(NamedTuple):
    """A request to one expert."""

    expert: str
    request: Request


class Answer(NamedTuple):
    """An answer without its reasoning; `call` is its number among the calls."""

    call: int
    text: str
    completion: Completion

    @property
    def expert(self) -> str:
        return self.completion.expert

    @property
    def cut(self) -> bool:
        """Whether the answer was cut off at its bound of tokens."""
        return self.completion.finish_reason == "length"


def never(answers: Sequence[Answer], waiting: int) -> bool:
    """Never enough: every answer is needed."""
    return False


async def gather(
    calls: Sequence[Call],
    ask: Ask,
    enough: Callable[[Sequence[Answer], int], bool] = never,
    what: str = "answered",
) -> list[Answer]:
    """Make all calls at once; the answers that came, in the order of the calls.

    Calls that are no longer needed are aborted: after the deadline, once the quorum has answered,
    and as soon as `enough(answers so far, number of answers to come)` is true. An answer without
    text, or with reasoning only, has failed. Raises NobodyAnswered, with every reason, where no
    expert answers; the expert's own error where all refused the request as invalid; and any
    error that is not an ExpertError as it is. `what` ends the progress message "2 of 3 ...".
    """
    tasks = {
        asyncio.create_task(_one(number, call, ask)): number for number, call in enumerate(calls)
    }
    answers: list[Answer] = []
    failed: dict[int, ExpertError] = {}
    waiting = set(tasks)
    quorum = min(ask.quorum, len(calls))
    try:
        while waiting:
            timeout = _patience(ask) if len(answers) >= quorum else None
            done, waiting = await asyncio.wait(
                waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                late = [calls[number].expert for number in sorted(tasks[task] for task in waiting)]
                ask.tell(f"went on without {', '.join(late)}", late=late)
                break
            for task in done:
                try:
                    one = task.result()
                except ExpertError as error:
                    failed[tasks[task]] = error
                    continue
                if one.text:
                    answers.append(one)
                else:
                    failed[tasks[task]] = _silence(one)
            answers.sort()
            ask.tell(f"{len(answers)} of {len(calls)} {what}")
            if waiting and enough(answers, len(waiting)):
                break
    finally:
        await _abort(waiting)
    errors = [failed[number] for number in sorted(failed)]
    if errors:
        ask.tell(
            f"{len(errors)} of {len(calls)} failed", failed=[failure_reason(e) for e in errors]
        )
    if errors and not answers:
        raise all_failed_error(errors)
    return answers


def as_chunk(answer: Answer) -> Chunk:
    """An answer as a single chunk."""
    return Chunk(answer.text, answer.completion.finish_reason or "stop")


def first_complete(answers: Iterable[Answer]) -> Answer:
    """The first answer that was not cut off; if there is none, the first."""
    found = list(answers)
    return next((one for one in found if not one.cut), found[0])


def _silence(answer: Answer) -> ExpertError:
    thought = bool(answer.completion.text.strip())
    return no_text_error(answer.expert, thought=thought, cut=answer.cut)


async def _one(number: int, call: Call, ask: Ask) -> Answer:
    stream = cast("AsyncGenerator[Chunk, None]", ask(call.expert, call.request, whole=True))
    async with aclosing(stream):
        completion = await collect(call.expert, stream)
    return Answer(number, without_thoughts(completion.text), completion)


async def _abort(tasks: set["asyncio.Task[Answer]"]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # Retrieved, so that asyncio does not warn about it.


def _patience(ask: Ask) -> float:
    return max(0.0, ask.deadline - asyncio.get_running_loop().time())
