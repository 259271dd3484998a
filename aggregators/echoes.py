"""Answers that repeat the prompt: small models copy what they were told about other answers.

What a prompt says beside its fields is meant for the model alone. An answer is cut where it begins
to repeat some words of that in a row, or a whole line that introduces others' answers, unless the
question has them, too.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from aggregators.answers.extraction import plain
from experts.errors import ExpertError
from experts.prompts import turns
from experts.types import Chunk

RUN = 6
"""Words in a row that are no coincidence."""
SHORTEST_LINE = 3
"""Words of a line that is an echo as a whole; a shorter one is anybody's."""
_WORD = re.compile(r"\w+")
_FIELD = re.compile(r"\{[a-z_]+\}")

Run = tuple[str, ...]


class Echoes:
    """Finds the words of some prompts in answers to one question."""

    def __init__(self, templates: Sequence[str], question: str, lines: Sequence[str] = ()) -> None:
        """`templates` with their fields unfilled: what fills them may be repeated.

        `lines` were shown as they are, such as what introduced each of the others' answers.
        """
        pieces = [
            piece
            for template in templates
            for turn in turns(template)
            for piece in _FIELD.split(turn.text)
        ]
        said = {run for piece in pieces for run in _runs(_words(piece))}
        shown = {tuple(words) for line in lines if len(words := _words(line)) >= SHORTEST_LINE}
        asked = _words(question)
        self._runs = {run for run in said | shown if run not in _runs(asked, len(run))}
        self._lengths = sorted({len(run) for run in self._runs})

    def start(self, text: str) -> int | None:
        """Where the first echo begins; None where there is none."""
        found = list(_WORD.finditer(text))
        words = [word[0].casefold() for word in found]
        return next(
            (found[place].start() for place in range(len(words)) if self._at(words, place)), None
        )

    def _at(self, words: Sequence[str], place: int) -> bool:
        """Whether an echo begins at this word."""
        return any(tuple(words[place : place + n]) in self._runs for n in self._lengths)

    def without(self, text: str) -> str:
        """The text up to its first echo; empty where nothing is said before it."""
        start = self.start(text)
        return text if start is None else _said(text[:start])

    async def cut(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """A stream up to its first echo, which ends it; what may become one is held back."""
        held = ""
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    held += chunk.text
                    whole = held if chunk.finish_reason else held[: _whole_words(held)]
                    if (start := self.start(whole)) is not None:
                        yield Chunk(_said(held[:start]), "stop", chunk.usage)
                        return
                    ends = len(held) if chunk.finish_reason else self._safe(held)
                    sent, held = held[:ends], held[ends:]
                    if sent or chunk.finish_reason or chunk.usage:
                        yield Chunk(sent, chunk.finish_reason, chunk.usage, chunk.logprobs)
        except ExpertError:
            if held:
                yield Chunk(self.without(held))
            raise
        if held:
            yield Chunk(self.without(held))

    def _safe(self, text: str) -> int:
        """The length of the beginning in which no echo can begin, whatever follows."""
        found = list(_WORD.finditer(text))
        words = [word[0].casefold() for word in found]
        unfinished = bool(found) and found[-1].end() == len(text)
        longest = self._lengths[-1] if self._lengths else 0
        for place in range(max(0, len(words) - longest), len(words)):
            if self._may_go_on(words[place:], unfinished=unfinished):
                return found[place].start()
        return len(text)

    def _may_go_on(self, words: Sequence[str], *, unfinished: bool) -> bool:
        """Whether some run begins with these words, of which the last may be unfinished."""
        count = len(words)
        return any(
            len(run) >= count
            and list(run[: count - 1]) == words[:-1]
            and (
                run[count - 1] == words[-1] or (unfinished and run[count - 1].startswith(words[-1]))
            )
            for run in self._runs
        )


def _whole_words(text: str) -> int:
    """The length of the beginning that holds finished words only."""
    last = re.search(r"\w+\Z", text)
    return last.start() if last else len(text)


def _said(text: str) -> str:
    """What is left before an echo; nothing where it is marks alone."""
    return text.rstrip() if plain(text).strip("*_`'\"#>- ") else ""


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _runs(words: Sequence[str], length: int = RUN) -> list[Run]:
    return [tuple(words[n : n + length]) for n in range(len(words) - length + 1)]
