"""Errors that an engine tells within a stream, raised as its refusal."""

import json
import re
from collections.abc import AsyncIterator

from experts.errors import ExpertRefused
from experts.sse import refusal, told_status

_BEGIN = re.compile(rb'(?:^|(?<=\n))data:\s*\{\s*"error"\s*:(?!\s*null)')
_MARK = b'data:{"error":'
_LONGEST_MARK = len(_MARK) + 4
"""With the spaces that JSON's writers put there."""
_END = b"\n\n"
MOST_BYTES = 1 << 16
"""Of an error; what is longer is handed on as it is."""


async def refused(expert: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a stream up to an event that tells an error, which is raised.

    An engine finds some mistakes of a request only when it has begun to stream. Raises
    ExpertRefused, with the status that the event tells.
    """
    held = b""
    async for piece in pieces:
        piece, held = _split(held + piece)
        found = _BEGIN.search(piece)
        if found is None:
            if piece:
                yield piece
            continue
        if found.start():
            yield piece[: found.start()]
        event, held = piece[found.start() :] + held, b""
        while _END not in event and len(event) < MOST_BYTES:
            more = await anext(pieces, b"")
            if not more:
                break
            event += more
        if (error := _error_in(expert, event)) is not None:
            raise error
        yield event
    if held:
        yield held


def _split(piece: bytes) -> tuple[bytes, bytes]:
    """The bytes, and those at their end that may be the beginning of an error."""
    line = piece.rfind(b"\n") + 1
    tail = piece[line:]
    if len(tail) < _LONGEST_MARK and _MARK.startswith(tail.replace(b" ", b"")):
        return piece[:line], tail
    return piece, b""


def _error_in(expert: str, event: bytes) -> ExpertRefused | None:
    data = event.partition(_END)[0].removeprefix(b"data:")
    try:
        error = json.loads(data)["error"]
    except (ValueError, RecursionError):
        return None
    return refusal(expert, told_status(error), error)
