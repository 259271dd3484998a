"""The keys of aggregators whose answers are votes, and what each vote weighs."""

from typing import Literal

from pydantic import Field

from aggregators.base import Panel, with_logprobs
from aggregators.gather import Said
from aggregators.sampling import SamplingConfig
from aggregators.tally import likelihood, odds, reconcile
from experts.types import Request


class WeighingConfig(SamplingConfig):
    """Keys that they share."""

    weights: Literal["equal", "confidence", "router"] = Field(
        "equal",
        description="What a vote weighs: 1, the expert's confidence in ReConcile's steps, or"
        " the quality that the router predicts.",
    )
    wrong_answers: int = Field(
        9,
        ge=1,
        description="How many wrong answers there are to choose from, for weights by the router.",
    )

    def asked(self, request: Request) -> Request:
        """The request, so that its answer tells what it takes to weigh it."""
        return with_logprobs(request) if self.weights == "confidence" else request

    def weigh(self, said: Said, panel: Panel) -> float:
        """What an answer's vote weighs; its confidence is the mean probability of its tokens."""
        if self.weights == "router":
            return self.trust(said.expert, panel)
        if self.weights == "confidence":
            return reconcile(likelihood(said.completion))
        return 1.0

    def trust(self, expert: str, panel: Panel) -> float:
        """The weight of an expert by the router's prediction."""
        return odds(panel.scores.get(expert, 0.0), self.wrong_answers)
