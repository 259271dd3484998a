"""A call to one expert: its complete answer, or a stream with a fallback."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from aggregators.base import Ask
from aggregators.echoes import Echoes
from aggregators.failures import all_failed_error, failure_reason, no_text_error
from aggregators.gather import Answer, as_chunk
from experts.engine import collect
from experts.errors import BudgetSpent, ExpertError
from experts.prompts import without_thoughts
from experts.types import Chunk, Completion, Request


async def complete(expert: str, request: Request, ask: Ask) -> Completion:
    """One expert's complete answer. Raises ExpertError for an answer without text."""
    stream = cast("AsyncGenerator[Chunk, None]", ask(expert, request, whole=True))
    async with aclosing(stream):
        completion = await collect(expert, stream)
    if not without_thoughts(completion.text):
        thought, cut = bool(completion.text.strip()), completion.finish_reason == "length"
        raise no_text_error(expert, thought=thought, cut=cut)
    return completion


async def stream_or_fallback(
    lead: str,
    request: Request,
    ask: Ask,
    otherwise: Answer | None,
    errors: Sequence[ExpertError] = (),
    *,
    echoes: Echoes | None = None,
) -> AsyncGenerator[Chunk, None]:
    """The lead's answer as it streams; where it gives none, the answer `otherwise`.

    With `echoes`, it ends where it begins to repeat its prompt, and one that does at once is none.
    Where there is no such answer either, raises the lead's error together with the earlier
    `errors`. A stream that breaks off raises ExpertError; one whose budget is spent ends there.
    """
    begun = ended = False
    stream = cast("AsyncGenerator[Chunk, None]", ask(lead, request))
    if echoes is not None:
        stream = echoes.cut(stream)
    failed: ExpertError | None = None
    try:
        async with aclosing(stream):
            async for chunk in stream:
                begun = begun or bool(chunk.text.strip())
                ended = ended or chunk.finish_reason is not None
                if begun:
                    yield chunk
    except BudgetSpent as spent:
        failed, ended = spent, True
        if begun:
            ask.tell("stopped", failed=[failure_reason(spent)])
            yield Chunk("", "length")
    except ExpertError as error:
        if begun:
            raise
        failed = error
    if begun:
        if not ended:
            yield Chunk("", "stop")
        return
    yield _instead(lead, ask, otherwise, errors, failed)


def _instead(
    lead: str,
    ask: Ask,
    otherwise: Answer | None,
    errors: Sequence[ExpertError],
    failed: ExpertError | None,
) -> Chunk:
    """The answer in place of the lead's. Raises ExpertError where there is none."""
    if otherwise is not None:
        why = failure_reason(failed or no_text_error(lead))
        ask.tell(f"{lead} failed", failed=[why], author=otherwise.expert)
        return as_chunk(otherwise)
    raise all_failed_error([*errors, failed or no_text_error(lead)])
