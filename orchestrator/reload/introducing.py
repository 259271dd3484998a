"""Asks an expert that has been added some probe questions, and lets the routers learn of it.

Which questions, and what is right, somebody else knows: the console script hands it in, since this
package measures nothing. Without it, an expert is added unasked.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from experts.errors import CoterieError
from experts.types import Request
from experts.upstream.answers import parse_chunk
from orchestrator.config.model import BATCH_CLASS, Config
from orchestrator.request.context import RequestContext
from orchestrator.request.reuse.versions import versions_of
from orchestrator.request.tracing.trace import Trace
from orchestrator.server.bodies.reload import Probed
from orchestrator.server.context import Context
from orchestrator.server.errors import status_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expert said to one question."""

    text: str
    completion_tokens: int
    seconds: float


Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
"""Puts a chat completion to an expert, and waits as long as its turn takes. Raises CoterieError."""
Introduce = Callable[[Config, Config, str, int, Ask], Awaitable[Probed]]
"""Asks an expert so many questions, adds to the table of outcomes what it scores, and fits routers.

It gets the configurations before and with the expert, its name, the number, and a way to ask.
Raises ConfigError where there is nothing to ask.
"""


async def introduced(
    introduce: Introduce, before: Config, context: Context, expert: str, count: int
) -> Probed:
    """Have an expert asked so many questions, and the routers fitted; `decide` takes them over.

    Raises ConfigError where there is nothing to ask.
    """

    async def ask(name: str, body: Mapping[str, Any]) -> Answer:
        return await _answer(context, name, body)

    return await introduce(before, context.config, expert, count, ask)


async def decide(context: Context, routers: Iterable[str]) -> None:
    """Let these routers decide as they have learned by now."""
    for name in routers:
        made = await asyncio.to_thread(context.make_router, name)
        context.pipeline.replace(name, made)
    if context.answers is not None:
        context.answers.versions = await asyncio.to_thread(versions_of, context.config)


def unprobed(why: str) -> Probed:
    """Of an expert that could not be asked."""
    return {"asked": 0, "failed": 0, "mean_score": 0.0, "tasks": [], "shifts": [], "why": why}


async def _answer(context: Context, expert: str, body: Mapping[str, Any]) -> Answer:
    """Ask as a line of a batch is asked, and account for it alike."""
    request = Request(f"probe-{uuid.uuid4().hex}", "chat/completions", {**body, "model": expert})
    asked, trace = RequestContext(request, expert, BATCH_CLASS, patient=True), Trace()
    try:
        async with await context.pipeline.answer(asked, trace) as answer:
            raw = answer.first + b"".join([piece async for piece in answer.rest])
        chunk = parse_chunk(expert, raw)
        trace.status = 200
    except CoterieError as error:
        trace.error, trace.status = error.code, status_of(error)
        raise
    finally:
        trace.total_ms = 1000 * (time.perf_counter() - asked.started)
        context.telemetry.write(asked, trace)
    tokens = chunk.usage.completion_tokens if chunk.usage is not None else 0
    return Answer(chunk.text, tokens, trace.total_ms / 1000)
