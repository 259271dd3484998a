"""A second opinion: two experts answer; where they differ, a third decides or the pool abstains.

The shortest example of an aggregator; the coverage guard of the fitted routers asks for it.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aggregators.answers.extraction import plain
from aggregators.base import Ask, Panel
from aggregators.gather import Answer, as_chunk, gather
from aggregators.sampling import one_each
from experts.errors import ExpertError
from experts.types import Chunk, Request


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """Compares the answers of the panel's first two experts; where they differ, its lead answers.

    An expert that fails counts as differing. Raises NobodyAnswered where both fail and there is no
    lead.
    """

    message: str
    """The answer where they differ and there is no lead."""

    def most_calls(self, panel: Panel) -> Counter[str]:
        """The two, and the lead where they differ."""
        return Counter([*panel.experts[:2], *([panel.lead] if panel.lead is not None else [])])

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The first expert's answer if the second gives the same one."""
        answers: list[Answer] = []
        try:
            answers = await gather(one_each(request, panel.experts[:2]), ask)
        except ExpertError:
            if panel.lead is None:
                raise
        if len(answers) == 2 and plain(answers[0].text) == plain(answers[1].text):
            yield as_chunk(answers[0])
        elif panel.lead is not None:
            async for chunk in ask(panel.lead, request):
                yield chunk
        else:
            yield Chunk(self.message, "stop")
