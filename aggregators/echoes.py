"""Answers that repeat the prompt: small models copy what they were told about other answers.

What a prompt says beside its fields is meant for the model alone. An answer is cut where it begins
to repeat some words of that in a row, unless the question has them, too.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from aggregators.answers.extraction import plain
from experts.prompts import turns
from experts.types import Chunk

RUN = 6
"""Words in a row that are no coincidence."""
_WORD = re.compile(r"\w+")
_FIELD = re.compile(r"\{[a-z_]+\}")

Run = tuple[str, ...]


class Echoes:
    """Finds the words of some prompts in answers to one question."""

    def __init__(self, templates: Sequence[str], question: str) -> None:
        """`templates` with their fields unfilled: what fills them may be repeated."""
        pieces = [
            piece
            for template in templates
            for turn in turns(template)
            for piece in _FIELD.split(turn.text)
        ]
        said = {run for piece in pieces for run in _runs(_words(piece))}
        self._runs = said - set(_runs(_words(question)))

    def start(self, text: str) -> int | None:
        """Where the first echo begins; None where there is none."""
        found = list(_WORD.finditer(text))
        runs = _runs([word[0].casefold() for word in found])
        return next((w.start() for w, r in zip(found, runs, strict=False) if r in self._runs), None)

    def without(self, text: str) -> str:
        """The text up to its first echo; empty where nothing is said before it."""
        start = self.start(text)
        return text if start is None else _said(text[:start])

    async def cut(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """A stream up to its first echo, which ends it; it is some words late."""
        held = ""
        async with aclosing(chunks):
            async for chunk in chunks:
                held += chunk.text
                start = self.start(held)
                if start is not None:
                    yield Chunk(_said(held[:start]), "stop", chunk.usage)
                    return
                ends = len(held) if chunk.finish_reason else _safe(held)
                sent, held = held[:ends], held[ends:]
                if sent or chunk.finish_reason or chunk.usage:
                    yield Chunk(sent, chunk.finish_reason, chunk.usage, chunk.logprobs)
        if held:
            yield Chunk(held)


def _safe(text: str) -> int:
    """The length of the beginning in which no echo can begin, whatever follows."""
    words = list(_WORD.finditer(text))
    return words[-RUN].start() if len(words) >= RUN else 0


def _said(text: str) -> str:
    """What is left before an echo; nothing where it is marks alone."""
    return text.rstrip() if plain(text).strip("*_`'\"#>- ") else ""


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _runs(words: Sequence[str]) -> list[Run]:
    return [tuple(words[n : n + RUN]) for n in range(len(words) - RUN + 1)]
