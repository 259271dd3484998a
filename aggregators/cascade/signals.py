"""How sure an expert is of its answer, from 0 to 1."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from aggregators import equality
from aggregators.answer_extraction import Kind
from aggregators.base import AggregatorConfig, Ask, alone, with_logprobs
from aggregators.gather import Call, Said, fullest, gather
from aggregators.sampling import sampled
from aggregators.tally import least_likely, likelihood, tally
from experts.errors import ExpertError
from experts.prompts import defused, fence_for, fill, read_template
from experts.types import Request

_YES = re.compile(r"\W*yes\b", re.IGNORECASE)
PROMPT = Path(__file__).parent / "check.txt"


class SignalConfig(AggregatorConfig):
    """Keys of who looks at confidence."""

    signal: Literal["likelihood", "least", "agreement", "self_check"] = Field(
        "likelihood",
        description="What confidence is: the mean probability of the answer's tokens, that of"
        " its least likely token, the share of samples that agree, or the share of"
        " checks by the expert itself that say yes.",
    )
    predicted: bool = Field(
        False, description="Multiply the confidence by the quality that the router predicts."
    )
    answer: Kind = Field("text", description="What of two answers is compared, for agreement.")
    samples: int = Field(
        3, ge=1, le=64, description="Number of samples for agreement, or of checks for self_check."
    )
    temperature: float = Field(
        0.7, gt=0, le=2, description="Sampling temperature of these samples and checks."
    )
    prompt: Path | None = Field(
        None,
        description="A text file with {question} and {answer}, and {fence} where wanted, that"
        " asks an expert to check an answer; null: the built-in prompt.",
    )


class Sure(NamedTuple):
    """An answer and how sure its expert is of it."""

    said: Said
    confidence: float


class Signals:
    """Asks an expert, and finds out how sure it is."""

    def __init__(self, config: SignalConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPT, ("question", "answer"))

    async def ask(
        self, expert: str, request: Request, ask: Ask, scores: Mapping[str, float]
    ) -> Sure:
        """`scores` are the router's. Raises ExpertError where the expert does not answer.

        Where nothing is known there is no confidence.
        """
        sure = await self._sure(expert, request, ask)
        if not self._config.predicted:
            return sure
        return Sure(sure.said, sure.confidence * scores.get(expert, 0.0))

    async def _sure(self, expert: str, request: Request, ask: Ask) -> Sure:
        if self._config.signal == "agreement":
            return await self._agreement(expert, request, ask)
        checked = self._config.signal == "self_check"
        asked = request if checked else with_logprobs(request)
        (said,) = await gather([Call(expert, asked)], ask)
        if checked:
            return Sure(said, await self._checked(said, request, ask))
        least = self._config.signal == "least"
        told = (least_likely if least else likelihood)(said.completion)
        # Who was cut off has not come to its answer.
        return Sure(said, 0.0 if told is None or said.cut else told)

    async def _agreement(self, expert: str, request: Request, ask: Ask) -> Sure:
        calls = [Call(expert, self._sample(request, n)) for n in range(self._config.samples)]
        said = await gather(calls, ask)
        labels = await equality.labels(self._config.answer, [one.text for one in said])
        counted = tally(labels, [1.0] * len(said))
        if counted.winner is None:
            return Sure(fullest(said), 0.0)
        same = [one for one, label in zip(said, labels, strict=True) if label == counted.winner]
        return Sure(fullest(same), len(same) / len(calls))

    async def _checked(self, said: Said, request: Request, ask: Ask) -> float:
        """The share of checks that say yes; one that cannot be read says no."""
        text = fill(
            self._template,
            question=request.query,
            answer=defused(said.text),
            fence=fence_for([said.text]),
        )
        calls = [
            Call(said.expert, self._sample(alone(request, text, max_tokens=16), number))
            for number in range(self._config.samples)
        ]
        try:
            checks = await gather(calls, ask, what="checks are there")
        except ExpertError:
            return 0.0
        yes = sum(_YES.match(one.text) is not None for one in checks)
        return yes / len(calls)

    def _sample(self, request: Request, number: int) -> Request:
        return sampled(request, number, self._config.temperature)
