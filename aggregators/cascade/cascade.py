"""A cascade: an expert's answer is taken where it is sure enough, else the next one is asked.

After FrugalGPT (arXiv 2305.05176), and AutoMix (arXiv 2310.12963) where experts check themselves.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators.base import Ask, Panel
from aggregators.cascade.signals import SignalConfig, Signals, Sure
from aggregators.cascade.thresholds import read
from aggregators.gather import answer, reason, speak
from experts.errors import ExpertError
from experts.types import Chunk, Request


class CascadeConfig(SignalConfig):
    """The keys of a cascade."""

    type: Literal["cascade"]
    experts: tuple[str, ...] = Field(
        (),
        description="The experts in the order in which they are asked; empty: the panel, the"
        " cheapest first.",
    )
    last: str | None = Field(
        None,
        description="The expert that is asked when none of them was sure, usually the"
        " strongest; null: no further one.",
    )
    accept: float = Field(
        0.9,
        ge=0,
        le=1,
        description="How sure an expert without a threshold of its own must be for its answer"
        " to stand.",
    )
    thresholds: Path | None = Field(
        None,
        description="The file in which `coterie cascade fit` has written how sure each expert"
        " must be.",
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
        found: list[Sure] = []
        errors: list[ExpertError] = []
        for place, expert in enumerate(order[:-1]):
            try:
                sure = await self._signals.ask(expert, request, ask, panel.scores)
            except ExpertError as error:
                errors.append(error)
                ask.tell(f"{expert} failed", failed=[reason(error)])
                continue
            known = place < len(self._accept)
            wanted = self._accept[place] if known else self._config.accept
            accepted = sure.confidence >= wanted
            step = {"expert": expert, "confidence": round(sure.confidence, 4), "taken": accepted}
            ask.tell(f"{expert} is {'' if accepted else 'not '}sure", cascade=[step])
            if accepted:
                yield answer(sure.said)
                return
            found.append(sure)
        best = max(found, key=lambda sure: sure.confidence).said if found else None
        async for chunk in speak(order[-1], request, ask, best, errors):
            yield chunk
