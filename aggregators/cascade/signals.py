"""Confidence signals: how sure an expert is of its answer, from 0 to 1."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from aggregators import equality
from aggregators.answers.extraction import Kind
from aggregators.base import AggregatorConfig, Ask, standalone_question, with_logprobs
from aggregators.gather import Answer, Call, first_complete, gather
from aggregators.sampling import sampled
from aggregators.tally import mean_token_probability, min_token_probability, tally
from experts.errors import ExpertError
from experts.prompts import defused, fence_for, fill, read_template
from experts.types import Request

_YES = re.compile(r"\W*yes\b", re.IGNORECASE)
PROMPT = Path(__file__).parent / "check.txt"


class SignalConfig(AggregatorConfig):
    """The keys of confidence signals."""

    signal: Literal["likelihood", "least", "agreement", "self_check"] = Field(
        "likelihood",
        description="Confidence is the mean probability of the answer's tokens, the probability"
        " of the least likely token, the share of samples with the same answer, or the"
        " share of the expert's own checks that say yes.",
    )
    predicted: bool = Field(
        False, description="Multiply the confidence by the quality that the router predicts."
    )
    answer: Kind = Field(
        "text",
        description="What is compared of two answers, for `agreement`; see `vote`.",
    )
    samples: int = Field(
        3,
        ge=1,
        le=64,
        description="Samples of `agreement`, or checks of `self_check`.",
    )
    temperature: float = Field(
        0.7,
        gt=0,
        le=2,
        description="Temperature of these samples and checks.",
    )
    prompt: Path | None = Field(
        None,
        description="The prompt of `self_check`: a text file with {question} and {answer}, and"
        " optionally {fence}; by default a built-in prompt.",
    )

    @property
    def calls_each(self) -> int:
        """How often an expert is asked for an answer and how sure it is of it."""
        return {"agreement": self.samples, "self_check": 1 + self.samples}.get(self.signal, 1)


class RatedAnswer(NamedTuple):
    """An answer and its expert's confidence in it, from 0 to 1."""

    answer: Answer
    confidence: float


class Signals:
    """Asks an expert for an answer and measures its confidence."""

    def __init__(self, config: SignalConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._template = read_template(config.prompt or PROMPT, ("question", "answer"))

    async def ask(
        self, expert: str, request: Request, ask: Ask, scores: Mapping[str, float]
    ) -> RatedAnswer:
        """One expert's answer and confidence. Raises ExpertError where the expert does not answer.

        `scores` are the qualities that the router predicts. The confidence is 0 where the signal
        cannot be computed.
        """
        rated = await self._sure(expert, request, ask)
        if not self._config.predicted:
            return rated
        return RatedAnswer(rated.answer, rated.confidence * scores.get(expert, 0.0))

    async def _sure(self, expert: str, request: Request, ask: Ask) -> RatedAnswer:
        if self._config.signal == "agreement":
            return await self._agreement(expert, request, ask)
        checked = self._config.signal == "self_check"
        asked = request if checked else with_logprobs(request)
        (answer,) = await gather([Call(expert, asked)], ask)
        if checked:
            return RatedAnswer(answer, await self._checked(answer, request, ask))
        least = self._config.signal == "least"
        probability = (min_token_probability if least else mean_token_probability)(
            answer.completion
        )
        # An answer that was cut off has not come to its conclusion.
        return RatedAnswer(answer, 0.0 if probability is None or answer.cut else probability)

    async def _agreement(self, expert: str, request: Request, ask: Ask) -> RatedAnswer:
        calls = [Call(expert, self._sample(request, n)) for n in range(self._config.samples)]
        answers = await gather(calls, ask)
        labels = await equality.labels(self._config.answer, [one.text for one in answers])
        counted = tally(labels, [1.0] * len(answers))
        if counted.winner is None:
            return RatedAnswer(first_complete(answers), 0.0)
        same = [one for one, label in zip(answers, labels, strict=True) if label == counted.winner]
        return RatedAnswer(first_complete(same), len(same) / len(calls))

    async def _checked(self, answer: Answer, request: Request, ask: Ask) -> float:
        """The share of checks that say yes; one that cannot be read says no."""
        text = fill(
            self._template,
            question=request.query,
            answer=defused(answer.text),
            fence=fence_for([answer.text]),
        )
        calls = [
            Call(
                answer.expert,
                self._sample(standalone_question(request, text, max_tokens=16), number),
            )
            for number in range(self._config.samples)
        ]
        try:
            checks = await gather(calls, ask, what="checks received")
        except ExpertError:
            return 0.0
        yes = sum(_YES.match(one.text) is not None for one in checks)
        return yes / len(calls)

    def _sample(self, request: Request, number: int) -> Request:
        return sampled(request, number, self._config.temperature)
