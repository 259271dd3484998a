"""A cascade: an expert's answer is taken if it is confident enough; otherwise the next is asked.

After FrugalGPT (arXiv 2305.05176), and AutoMix (arXiv 2310.12963) where experts check themselves.
"""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators.base import Ask, Panel
from aggregators.cascade.signals import RatedAnswer, SignalConfig, Signals
from aggregators.cascade.thresholds import read
from aggregators.failures import failure_reason
from aggregators.gather import as_chunk
from aggregators.single_call import stream_or_fallback
from experts.errors import ExpertError
from experts.types import Chunk, Request


class CascadeConfig(SignalConfig):
    """The keys of a cascade."""

    type: Literal["cascade"]
    experts: tuple[str, ...] = Field(
        (),
        description="The experts to ask, in this order; by default the panel, the cheapest first.",
    )
    last: str | None = Field(
        None,
        description="The expert to ask if none of them is confident, usually the strongest.",
    )
    accept: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Confidence from which an answer is taken, for experts without `thresholds`.",
    )
    thresholds: Path | None = Field(
        None,
        description="A file that `coterie cascade fit` wrote: the confidence that each expert"
        " needs.",
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """All named experts must be in the pool."""
        return {"experts": self.experts, "last": (self.last,) if self.last is not None else ()}

    def order(self, panel: Panel) -> tuple[str, ...]:
        """The experts to ask, one after the other."""
        first = self.experts or sorted(
            dict.fromkeys(panel.experts), key=lambda name: panel.prices.get(name, 0.0)
        )
        last = (self.last,) if self.last is not None else ()
        return (*(name for name in first if name not in last), *last)


class CascadeAggregator:
    """Asks one expert after the other until one is confident.

    An expert that fails is skipped. Where the last one fails, or the budget is spent, the most
    confident answer so far is given.
    """

    Config = CascadeConfig

    def __init__(self, config: CascadeConfig) -> None:
        """Raises ConfigError for a prompt or thresholds that cannot be read."""
        self._config = config
        self._signals = Signals(config)
        order = config.order(Panel(())) if config.experts else ()
        path = config.thresholds
        self._accept = read(path, order, config.signal) if path is not None else ()

    def most_calls(self, panel: Panel) -> Counter[str]:
        """Nobody is sure: all are asked, and all but the last how sure they are."""
        *earlier, last = self._config.order(panel)
        return Counter({expert: self._config.calls_each for expert in earlier}) + Counter([last])

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The first answer with enough confidence; the last expert's answer as it streams."""
        order = self._config.order(panel)
        found: list[RatedAnswer] = []
        errors: list[ExpertError] = []
        for place, expert in enumerate(order[:-1]):
            try:
                rated = await self._signals.ask(expert, request, ask, panel.scores)
            except ExpertError as error:
                errors.append(error)
                ask.tell(f"{expert} failed", failed=[failure_reason(error)])
                continue
            known = place < len(self._accept)
            wanted = self._accept[place] if known else self._config.accept
            accepted = rated.confidence >= wanted
            step = {"expert": expert, "confidence": round(rated.confidence, 4), "taken": accepted}
            ask.tell(f"{expert} is {'' if accepted else 'not '}confident", cascade=[step])
            if accepted:
                yield as_chunk(rated.answer)
                return
            found.append(rated)
        best = max(found, key=lambda one: one.confidence).answer if found else None
        async for chunk in stream_or_fallback(order[-1], request, ask, best, errors):
            yield chunk
