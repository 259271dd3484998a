"""One expert, two that must agree, or the whole panel, by the router's confidence (as PRISM)."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, cast

from pydantic import Field, model_validator

from aggregators import equality
from aggregators.answers.extraction import Kind
from aggregators.base import Aggregator, AggregatorConfig, Ask, Panel, most_calls
from aggregators.failures import failure_reason
from aggregators.gather import Call, as_chunk, gather
from aggregators.single_call import stream_or_fallback
from experts.errors import ExpertError
from experts.types import Chunk, Completion, Request, Usage


class StrategyConfig(AggregatorConfig):
    """The keys of a choice of strategy."""

    type: Literal["strategy"]
    single_at: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Predicted quality from which the best expert answers alone.",
    )
    verify_at: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Predicted quality from which two answer, and end it if they agree.",
    )
    answer: Kind = Field(
        "text",
        description="What is compared of two answers; see the keys of `vote`.",
    )
    panel: dict[str, Any] = Field(
        default_factory=lambda: {"type": "vote"},
        description="The aggregator of the whole panel: its `type` and its own keys.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "StrategyConfig":
        if self.verify_at > self.single_at:
            raise ValueError("verify_at must not be above single_at")
        if self.panel.get("type") == "strategy":
            raise ValueError("the panel's aggregator must not be another strategy")
        return self

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """What is wrong with the panel's aggregator."""
        from aggregators.registry import problems  # noqa: PLC0415 (it knows this class)

        return tuple(f"panel.{problem}" for problem in problems(self.panel, experts))


class Strategy:
    """Asks as many experts as the router's confidence demands, and none the same thing twice."""

    Config = StrategyConfig

    def __init__(self, config: StrategyConfig) -> None:
        """Raises ConfigError where the panel's aggregator does."""
        from aggregators.registry import make  # noqa: PLC0415 (it knows this class)

        self._config = config
        self._panel: Aggregator = make(config.panel)

    def most_calls(self, panel: Panel) -> Counter[str]:
        """What the router's confidence demands; two that verify may disagree."""
        best, distinct = panel.experts[0], tuple(dict.fromkeys(panel.experts))
        sure = panel.scores.get(best, 0.0)
        if len(distinct) == 1 or sure >= self._config.single_at:
            return Counter([best])
        verifying = distinct[:2] if sure >= self._config.verify_at else ()
        return Counter(verifying) + most_calls(self._panel, panel)

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The answer of the strategy that fits."""
        best = panel.experts[0]
        sure = panel.scores.get(best, 0.0)
        distinct = tuple(dict.fromkeys(panel.experts))
        if len(distinct) == 1 or sure >= self._config.single_at:
            ask.tell(f"{best} answers alone", strategy="single", confidence=round(sure, 4))
            async for chunk in stream_or_fallback(best, request, ask, None):
                yield chunk
            return
        memory = _CachedAsk(ask)
        if sure >= self._config.verify_at:
            ask.tell("a second expert verifies", strategy="verify", confidence=round(sure, 4))
            try:
                answers = await gather([Call(name, request) for name in distinct[:2]], memory)
            except ExpertError as error:
                ask.tell("both failed", failed=[failure_reason(error)])
                answers = []
            labels = await equality.labels(self._config.answer, [one.text for one in answers])
            if len(answers) == 2 and labels[0] is not None and labels[0] == labels[1]:
                yield as_chunk(answers[0])
                return
        ask.tell("the whole panel answers", strategy="panel", confidence=round(sure, 4))
        async for chunk in self._panel.aggregate(request, panel, memory):
            yield chunk


class _CachedAsk:
    """An `Ask` that repeats the answer of an expert that was asked the same before."""

    def __init__(self, ask: Ask) -> None:
        self.deadline, self.quorum = ask.deadline, ask.quorum
        self.tell, self.embed = ask.tell, ask.embed
        self._ask = ask
        self._known: dict[tuple[str, str], Completion] = {}

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        key = (expert, _body(request.body))
        if (known := self._known.get(key)) is not None:
            yield Chunk(known.text, known.finish_reason or "stop", logprobs=known.logprobs)
            return
        text, logprobs, finish = "", (), None
        async with aclosing(cast(Any, self._ask(expert, request, whole=whole))) as stream:
            async for chunk in stream:
                text, logprobs = text + chunk.text, logprobs + chunk.logprobs
                finish = chunk.finish_reason or finish
                yield chunk
        self._known[key] = Completion(expert, text, finish, Usage(), logprobs)


def _body(body: Mapping[str, Any]) -> str:
    return repr(sorted(body.items()))
