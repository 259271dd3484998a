"""Server-sent events, read by the rules of the WHATWG's HTML standard (section 9.2)."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import pairwise

from experts.errors import BadOutput

DONE = b"[DONE]"
MAX_EVENT_BYTES = 64 << 20
"""An event that is larger is not waited for: it would fill the gateway's memory."""

_BOM = b"\xef\xbb\xbf"
EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_LINE_END = rb"(?>\r\n|\n|\r)"
_EVENT_END = re.compile(_LINE_END + _LINE_END)
_LONGEST_END = 4


class EventParser:
    """Finds the data of events in bytes that may be cut anywhere.

    Lines end with LF, CR or CRLF and nothing else: U+2028 and U+0085 are letters like others. The
    fields `event`, `id` and `retry` mean nothing in OpenAI's protocol, and comments never do.
    """

    def __init__(self) -> None:
        self.held = 0
        """Bytes since the last empty line."""
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._after_cr = False
        self._begun = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of each event that ends in this piece."""
        if not piece:
            return []
        if self._after_cr:
            piece = piece.removeprefix(b"\n")  # The second half of a CRLF that was cut.
        self._after_cr = piece.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.held += len(piece)
        *lines, rest = piece.split(b"\n")
        found = []
        for line in lines:
            if self._line:
                line = b"".join(self._line) + line
                self._line.clear()
            if line or not self._begun:
                self._take(line)
            else:
                self.held = len(rest)
                if self._data:
                    found.append(self._event())
        if rest:
            self._line.append(rest)
        return found

    def end(self) -> list[bytes]:
        """The data of the event that the stream's end cuts off, if there is one.

        The standard drops it; some servers send no last empty line.
        """
        if self._line:
            self._take(b"".join(self._line))
            self._line.clear()
        return [self._event()] if self._data else []

    def _take(self, line: bytes) -> None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif line == b"data":
            self._data.append(b"")

    def _event(self) -> bytes:
        data = b"\n".join(self._data) if len(self._data) > 1 else self._data[0]
        self._data.clear()
        return data


async def events(expert: str, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of each event of an expert's answer; empty ones, which say nothing, are left out.

    Raises BadOutput for an event without end.
    """
    parser = EventParser()
    async for piece in pieces:
        for data in parser.feed(piece):
            if data:
                yield data
        if parser.held > MAX_EVENT_BYTES:
            raise _endless(expert)
    for data in parser.end():
        if data:
            yield data


async def whole_events(expert: str, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same bytes, cut only where an event ends; what the stream's end cuts off comes last.

    Raises BadOutput for an event without end.
    """
    held = bytearray()
    async for piece in pieces:
        if not held and piece.endswith(EVENT_ENDS):
            yield piece
            continue
        begin = max(0, len(held) - _LONGEST_END + 1)
        held += piece
        if end := _last_end(held, begin):
            yield bytes(held[:end])
            del held[:end]
        if len(held) > MAX_EVENT_BYTES:
            raise _endless(expert)
    if held:
        yield bytes(held)


def split_events(block: bytes) -> list[bytes]:
    """A block of whole events as one piece for each; together they are the block."""
    if b"\r" not in block:
        *whole, rest = block.split(b"\n\n")
        return [event + b"\n\n" for event in whole] + ([rest] if rest else [])
    ends = [match.end() for match in _EVENT_END.finditer(block)]
    places = [0, *ends, len(block)]
    pieces = [block[a:b] for a, b in pairwise(places)]
    return [piece for piece in pieces if piece]


def data_of(event: bytes) -> bytes:
    """The data of one whole event; empty for a comment."""
    parser = EventParser()
    return b"\n".join([*parser.feed(event), *parser.end()])


def _last_end(block: bytearray, begin: int) -> int:
    """Behind the last event that ends after `begin`; 0 where none does."""
    if b"\r" in block:
        return max((match.end() for match in _EVENT_END.finditer(block, begin)), default=0)
    return block.rfind(b"\n\n", begin) + 2 if block.find(b"\n\n", begin) >= 0 else 0


def _endless(expert: str) -> BadOutput:
    return BadOutput(f"Expert {expert} sent an event that does not end.", expert=expert)
