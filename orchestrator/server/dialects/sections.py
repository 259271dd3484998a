"""An answer as a row of sections, reasoning, texts and calls, which begin, grow and end. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from orchestrator.server.dialects.chat_pieces import CallPiece, ChatPiece, TokenCounts

Kind = Literal["reasoning", "text", "call"]
Change = Literal["begin", "grow", "end"]


@dataclass(slots=True)
class Section:
    """One part of an answer; it grows until it has ended."""

    kind: Kind
    place: int
    """Where it stands in the answer, from 0."""
    id: str = ""
    """Of a call: the client's answer to it names this."""
    name: str = ""
    """Of a call: the tool's."""
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Mapping[str, Any]] = field(default_factory=list)
    """Of a text: what is told of its tokens."""
    ended: bool = False

    @property
    def text(self) -> str:
        """All of it: of a call, its arguments."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Event:
    """What happens to a section; `text` is what it grows by."""

    change: Change
    section: Section
    text: str = ""
    logprobs: tuple[Mapping[str, Any], ...] = ()


class Sections:
    """Sorts the pieces of one answer into sections.

    Texts and reasoning end where something else begins. Calls are open to the end: servers may
    send pieces of several in turn.
    """

    def __init__(self) -> None:
        self.all: list[Section] = []
        self.over = False
        self.finish: str | None = None
        self.stop: str | None = None
        self.counts = TokenCounts()
        self._calls: dict[int | str, Section] = {}
        self._last_call: int | str = 0

    def take(self, piece: ChatPiece) -> Iterator[Event]:
        """What a piece changes."""
        self.finish = piece.finish or self.finish
        self.stop = piece.stop or self.stop
        self.counts = piece.counts or self.counts
        if piece.reasoning:
            yield from self._grow("reasoning", piece.reasoning)
        if piece.text:
            yield from self._grow("text", piece.text, piece.logprobs)
        for call in piece.calls:
            yield from self._call(call)

    def end(self) -> Iterator[Event]:
        """The answer is over: what is open ends."""
        self.over = True
        for section in self.all:
            if not section.ended:
                yield self._ended(section)

    def _grow(
        self, kind: Kind, text: str, logprobs: tuple[Mapping[str, Any], ...] = ()
    ) -> Iterator[Event]:
        last = self.all[-1] if self.all else None
        if last is None or last.kind != kind or last.ended:
            yield from self._end_text()
            last = self._begun(Section(kind, len(self.all)))
            yield Event("begin", last)
        last.logprobs += logprobs
        yield _grown(last, text, logprobs)

    def _call(self, piece: CallPiece) -> Iterator[Event]:
        key = self._key(piece)
        section = self._calls.get(key)
        if section is None:
            yield from self._end_text()
            made = piece.id or f"call_{uuid4().hex}"
            section = self._begun(Section("call", len(self.all), made, piece.name))
            self._calls[key] = section
            yield Event("begin", section)
        if piece.arguments:
            yield _grown(section, piece.arguments)

    def _key(self, piece: CallPiece) -> int | str:
        """Which call a piece is of: by its number, else a new id is a new call."""
        if piece.number is not None:
            self._last_call = piece.number
        elif piece.id:
            self._last_call = piece.id
        return self._last_call

    def _begun(self, section: Section) -> Section:
        self.all.append(section)
        return section

    def _end_text(self) -> Iterator[Event]:
        if self.all and self.all[-1].kind != "call" and not self.all[-1].ended:
            yield self._ended(self.all[-1])

    def _ended(self, section: Section) -> Event:
        section.ended = True
        return Event("end", section)


def _grown(section: Section, text: str, logprobs: tuple[Mapping[str, Any], ...] = ()) -> Event:
    section.pieces.append(text)
    return Event("grow", section, text, logprobs)
