"""One debate over a passage: two scripted sides, a real judge, the real aggregator between them."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregators.base import Aggregator, Panel
from experts.engine import Engine, collect, stream
from experts.errors import ServiceError
from experts.types import Chunk, Request
from experts.zoo.council.passages import Passage, dishonest_quotes, honest_quotes

HONEST, DISHONEST = "honest", "dishonest"
UNDECIDED = 0.5


@dataclass(frozen=True, slots=True)
class Setting:
    """Who argues, and what the judge can rely on."""

    name: str
    argue: frozenset[str] = frozenset({HONEST, DISHONEST})
    invents: bool = False
    """Whether the dishonest side invents its first quote rather than mislead with a true one."""
    checked: bool = True
    """Whether quotes are checked against the passage."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one debate."""

    score: float
    """1 for the right answer, 0 for the wrong one, and in between where the judge is undecided."""
    probability: float
    """The judge's, of the right answer; the mean of both orders."""
    tokens: int
    """Read and written by the judge, both orders together."""


@dataclass(slots=True)
class Stage:
    """What an aggregator calls experts with: sides say their lines, the judge is really asked."""

    lines: Mapping[str, list[str]]
    """Of each side, what it still has to say; a side that has nothing left to say fails."""
    judge: Engine
    deadline: float = inf
    quorum: int = 2
    facts: dict[str, Any] = field(default_factory=dict)
    tokens: int = 0

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """A side's next line, or the judge's reply. Raises ExpertError where the judge fails."""
        if expert in self.lines:
            left = self.lines[expert]
            yield Chunk(left.pop(0) if left else "", "stop")
            return
        async for chunk in stream(self.judge, request):
            if chunk.usage is not None:
                self.tokens += chunk.usage.prompt_tokens + chunk.usage.completion_tokens
            yield chunk

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """No encoder: the two answers are short."""
        return None

    def tell(self, words: str, **facts: Any) -> None:
        """Keep the facts."""
        self.facts.update(facts)


def lines(passage: Passage, setting: Setting, rounds: int) -> dict[str, list[str]]:
    """What each side says: its answer, then a quote in each round if it argues."""
    lies = dishonest_quotes(passage, rounds, invents=setting.invents)
    sides = {
        HONEST: (passage.right, honest_quotes(passage, rounds)),
        DISHONEST: (passage.wrong, lies),
    }
    return {
        side: [answer, *(f"<quote>{quote}</quote>" for quote in quotes if side in setting.argue)]
        for side, (answer, quotes) in sides.items()
    }


async def stage(
    aggregator: Aggregator,
    passage: Passage,
    setting: Setting,
    rounds: int,
    judge: Engine,
    order: Random,
) -> Judged:
    """Let both sides argue and the judge decide. Raises ServiceError where it gives no verdict.

    Whoever is named first by the panel would win where the judge is undecided; `order` draws who.
    """
    sides = order.sample((HONEST, DISHONEST), 2)
    request = Request(
        "debate",
        "chat/completions",
        {"messages": [{"role": "user", "content": passage.question}]},
        source=passage.text if setting.checked else "",
    )
    asks = Stage(lines(passage, setting, rounds), judge)
    said = await collect("debate", aggregator.aggregate(request, Panel(tuple(sides)), asks))
    if "unread" in asks.facts or "probability" not in asks.facts:
        raise ServiceError(
            f"The judge {judge.name} gave no verdict on `{passage.question}`"
            f" ({setting.name}): it must reply with A or B. {asks.facts.get('failed', '')}".strip()
        )
    first = float(asks.facts["probability"])
    right = first if asks.facts["sides"][0] == HONEST else 1 - first
    score = UNDECIDED if right == UNDECIDED else float(said.text == passage.right)
    return Judged(score, right, asks.tokens)
