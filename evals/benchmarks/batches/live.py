"""Live requests at a steady rate while a batch runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from evals.client.ask import Answer, Question, ask
from experts.openai import ExpertClient


@dataclass(slots=True)
class Stream:
    """Requests of the class interactive, one after the other, whoever has answered by then."""

    answers: list[Answer] = field(default_factory=list)


@asynccontextmanager
async def live_requests(
    base_url: str, questions: Sequence[Question], rate: float
) -> AsyncIterator[Stream]:
    """Ask `rate` questions a second, in turn, inside the context; its end waits for the answers."""
    stream, over = Stream(), asyncio.Event()
    async with ExpertClient() as client:
        asking = asyncio.create_task(_ask_all(client, base_url, questions, rate, stream, over))
        try:
            yield stream
        finally:
            over.set()
            await asking


async def _ask_all(
    client: ExpertClient,
    base_url: str,
    questions: Sequence[Question],
    rate: float,
    stream: Stream,
    over: asyncio.Event,
) -> None:
    async def one(question: Question) -> None:
        stream.answers.append(await ask(client, f"{base_url}/v1", question, stream=False))

    loop = asyncio.get_running_loop()
    started, number = loop.time(), 0
    async with asyncio.TaskGroup() as group:
        while not over.is_set():
            question = questions[number % len(questions)]
            group.create_task(one(replace(question, id=f"live-{number}")))
            number += 1
            try:
                async with asyncio.timeout_at(started + number / rate):
                    await over.wait()
            except TimeoutError:
                continue
