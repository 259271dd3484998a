"""Errors that an engine tells within a stream, raised as its refusal."""

import json
import re
from collections.abc import AsyncIterator

from experts.errors import ExpertRefused
from experts.sse import refusal, told_status

_BEGIN = re.compile(rb'(?:^|(?<=\n))data:\s*\{\s*"error"\s*:(?!\s*null)')
_END = b"\n\n"
MOST_BYTES = 1 << 16
"""Of an error; what is longer is handed on as it is."""


async def refused(expert: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a stream up to an event that tells an error, which is raised.

    An engine finds some mistakes of a request only when it has begun to stream. Raises
    ExpertRefused, with the status that the event tells.
    """
    async for piece in pieces:
        found = _BEGIN.search(piece)
        if found is None:
            yield piece
            continue
        if found.start():
            yield piece[: found.start()]
        event = piece[found.start() :]
        while _END not in event and len(event) < MOST_BYTES:
            more = await anext(pieces, b"")
            if not more:
                break
            event += more
        if (error := _error_in(expert, event)) is not None:
            raise error
        yield event


def _error_in(expert: str, event: bytes) -> ExpertRefused | None:
    data = event.partition(_END)[0].removeprefix(b"data:")
    try:
        error = json.loads(data)["error"]
    except (ValueError, RecursionError):
        return None
    return refusal(expert, told_status(error), error)
