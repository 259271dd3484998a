"""A cascade: an expert's answer is taken where it is sure enough, else the next one is asked.

After FrugalGPT (arXiv 2305.05176), and AutoMix (arXiv 2310.12963) where experts check themselves.
"""

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
        (), description="Who is asked, in this order; else the panel, the cheapest first."
    )
    last: str | None = Field(
        None, description="Who is asked where none of them was sure: usually the strongest."
    )
    accept: float = Field(
        0.9,
        ge=0,
        le=1,
        description="How sure an expert must be for whom there are no `thresholds`.",
    )
    thresholds: Path | None = Field(
        None, description="What `coterie cascade fit` wrote: how sure each in the order must be."
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """All of them must be in the pool."""
        return {"experts": self.experts, "last": (self.last,) if self.last is not None else ()}

    def order(self, panel: Panel) -> tuple[str, ...]:
        """Whom to ask, one after the other."""
        first = self.experts or sorted(
            dict.fromkeys(panel.experts), key=lambda name: panel.prices.get(name, 0.0)
        )
        last = (self.last,) if self.last is not None else ()
        return (*(name for name in first if name not in last), *last)


class CascadeAggregator:
    """Asks one expert after the other until one is sure.

    An expert that fails is passed over. Where the last one fails, or the budget ends, the surest
    answer so far stands.
    """

    Config = CascadeConfig

    def __init__(self, config: CascadeConfig) -> None:
        """Raises ConfigError for a prompt or thresholds that cannot be read."""
        self._config = config
        self._signals = Signals(config)
        order = config.order(Panel(())) if config.experts else ()
        path = config.thresholds
        self._accept = read(path, order, config.signal) if path is not None else ()

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The first answer that its expert is sure enough of; the last one's as it comes."""
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
            ask.tell(f"{expert} is {'' if accepted else 'not '}sure", cascade=[step])
            if accepted:
                yield as_chunk(rated.answer)
                return
            found.append(rated)
        best = max(found, key=lambda one: one.confidence).answer if found else None
        async for chunk in stream_or_fallback(order[-1], request, ask, best, errors):
            yield chunk
