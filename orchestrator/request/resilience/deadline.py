"""Ends an answer when the request's time is over, and with it the generation in the engine."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from experts.errors import DeadlinePassed
from orchestrator.request.answer import NO_BYTES, StartedAnswer
from orchestrator.request.context import RequestContext


async def in_time(context: RequestContext, starting: Awaitable[StartedAnswer]) -> StartedAnswer:
    """The answer, if it begins in time; its rest raises when it does not end in time.

    Raises DeadlinePassed, and what `starting` raises. Whatever is asked by then is cancelled: a
    connection to an engine that is closed aborts the generation there.
    """
    ends = asyncio.get_running_loop().time() + context.left_s()
    try:
        async with asyncio.timeout_at(ends) as limit:
            answer = await starting
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _passed(context) from error
    if answer.rest is NO_BYTES:
        return answer
    held = AsyncExitStack()
    await held.enter_async_context(answer)
    rest = _rest(context, answer.rest, ends)
    await held.enter_async_context(aclosing(rest))
    return replace(answer, rest=rest, held=held)


async def _rest(
    context: RequestContext, pieces: AsyncIterator[bytes], ends: float
) -> AsyncGenerator[bytes, None]:
    while True:
        try:
            async with asyncio.timeout_at(ends) as limit:
                piece = await anext(pieces, None)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise _passed(context) from error
        if piece is None:
            return
        yield piece


def _passed(context: RequestContext) -> DeadlinePassed:
    return DeadlinePassed(
        f"The answer was not complete within {context.timeout_s:g} s.",
        hint="Allow more (`coterie.timeout_s`, up to server.request_timeout_s), or ask for less.",
    )
