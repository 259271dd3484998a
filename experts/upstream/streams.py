"""The events that an expert streams, checked one by one before they are passed on."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from experts.errors import BadOutput, ExpertError, ExpertLost
from experts.sse import DONE, MAX_EVENT_BYTES, EventParser, data_of, split_events
from experts.upstream.answers import answer_of
from experts.upstream.shapes import Secrets

_BEGIN, _END = b"data: {", b"\n\n"
_BOM = b"\xef\xbb\xbf"

_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_TEXT = re.compile(rb'"(?:content|text)": ?"(' + _PLAIN.pattern + rb')"')


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the text of a sound event: one with other words in it is as sound.

    Nearly all events of a stream are such, and to see that takes a tenth of reading them.
    """

    before: bytes
    behind: bytes

    def holds(self, event: bytes) -> bool:
        """Whether the bytes are one event that differs in its text alone, which has no escapes."""
        begin, end = len(self.before), len(event) - len(self.behind)
        return (
            begin <= end
            and event.startswith(self.before)
            and event.endswith(self.behind)
            and _PLAIN.fullmatch(event, begin, end) is not None
            and _is_unicode(event)
        )


def frame_of(event: bytes) -> Frame | None:
    """The frame of an event that has been found to be sound; None where its text has escapes."""
    found = _TEXT.search(event) if _is_one(event) else None
    return Frame(event[: found.start(1)], event[found.end(1) :]) if found is not None else None


def _is_unicode(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class StreamCheck:
    """Lets the sound events of one stream through, as the bytes that they came in."""

    def __init__(self, expert: str, secrets: Secrets = (), count: int = 1) -> None:
        """`count` is how many choices were asked for."""
        self.done = False
        """Whether `[DONE]` has come: what follows it belongs to nobody."""
        self._expert = expert
        self._secrets = secrets
        self._count = count
        self._frame: Frame | None = None

    async def beginning(self, blocks: AsyncIterator[bytes]) -> bytes:
        """The bytes of a stream up to the block with its first event; blocks are whole events.

        Raises the expert's error where that event is none in OpenAI's format, or where none comes.
        """
        read = bytearray()
        parser = EventParser()
        async for block in blocks:
            read += block
            for data in filter(None, parser.feed(block)):
                self._check(data)
                begun = bytes(read.removeprefix(_BOM))
                self._frame = frame_of(begun)  # So that `part` need not read it again.
                return begun
            if len(read) > MAX_EVENT_BYTES:
                raise BadOutput(
                    f"Expert {self._expert} sent comments without end.", expert=self._expert
                )
        for data in filter(None, parser.end()):
            self._check(data)
            return bytes(read.removeprefix(_BOM))
        if not read:
            raise ExpertLost(f"Expert {self._expert} sent no answer.", expert=self._expert)
        raise BadOutput(f"Expert {self._expert} sent a stream without events.", expert=self._expert)

    def part(self, block: bytes) -> tuple[bytes, ExpertError | None]:
        """Of a block of events: the bytes of those that may pass, and the error that ends them.

        Events without data are left out, and so is a last event without its end, unless it is
        whole all the same, and what follows `[DONE]`.
        """
        if self._frame is not None and not self.done and self._frame.holds(block):
            return block, None
        sound: list[bytes] = []
        for event in [block] if _is_one(block) else split_events(block):
            if self.done:
                break
            if self._frame is not None and self._frame.holds(event):
                sound.append(event)
                continue
            data = event[6:-2] if _is_one(event) else data_of(event)
            cut = not event.endswith((b"\n", b"\r"))
            if data or not _has_data(event):
                try:
                    self._check_event(event, data)
                except ExpertError as error:
                    lost = cut and isinstance(error, BadOutput)
                    return b"".join(sound), None if lost else error
                sound.append(event)
                self._frame = frame_of(event) or self._frame
        return block if len(sound) == 1 and len(sound[0]) == len(block) else b"".join(sound), None

    def _check_event(self, event: bytes, data: bytes) -> None:
        if data:
            self.done = self._check(data)
        elif event.strip() and not event.endswith((b"\n", b"\r")):
            raise BadOutput(f"Expert {self._expert} sent half an event.", expert=self._expert)

    def _check(self, data: bytes) -> bool:
        """Whether the data ends the stream. Raises the expert's error for what is no event."""
        if data.strip() == DONE:
            return True
        answer_of(self._expert, data, "the event", self._secrets, self._count)
        return False


def _is_one(block: bytes) -> bool:
    """Whether a block is one event in the form that nearly all servers send."""
    return (
        block.startswith(_BEGIN)
        and block.endswith(_END)
        and block.count(b"\n") == len(_END)
        and b"\r" not in block
    )


def _has_data(event: bytes) -> bool:
    """Whether an event has the field at all, be it empty."""
    lines = event.replace(b"\r", b"\n").split(b"\n")
    return any(line == b"data" or line.startswith(b"data:") for line in lines)
