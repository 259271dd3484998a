"""A second opinion: two experts answer; where they differ, a general one does, or nobody."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from aggregators.base import Ask, whole
from experts.errors import ExpertError
from experts.types import Chunk, Completion, Request


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """Compares the answers of the first two experts, spaces, case and a last full stop aside.

    An expert that fails agrees with nobody. Where both fail, and there is no general expert, the
    first one's error is raised.
    """

    general: str | None
    message: str
    """What is said where they differ and there is no general expert."""

    async def aggregate(
        self, request: Request, experts: Sequence[str], ask: Ask
    ) -> AsyncIterator[Chunk]:
        """The first expert's answer if the second says the same."""
        found = await asyncio.gather(
            *(whole(expert, request, ask) for expert in experts[:2]), return_exceptions=True
        )
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, ExpertError):
                raise one
        said = [one for one in found if isinstance(one, Completion)]
        if len(said) == 2 and same(said[0].text, said[1].text):
            yield Chunk(said[0].text, said[0].finish_reason or "stop")
        elif self.general is not None:
            async for chunk in ask(self.general, request):
                yield chunk
        elif not said and isinstance(found[0], ExpertError):
            raise found[0]
        else:
            yield Chunk(self.message, "stop")


def same(first: str, second: str) -> bool:
    """Whether two answers say the same, letter by letter."""
    return _normal(first) == _normal(second)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".")
