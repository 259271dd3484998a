"""The keys of aggregators whose answers are votes, and what each vote weighs."""

from typing import Literal

from pydantic import Field

from aggregators.base import Panel, with_logprobs
from aggregators.gather import Answer
from aggregators.sampling import SamplingConfig
from aggregators.tally import log_odds_weight, mean_token_probability, reconcile_weight
from experts.types import Request


class VotingConfig(SamplingConfig):
    """Keys that they share."""

    weights: Literal["equal", "confidence", "router"] = Field(
        "equal",
        description="Of a vote: 1, by ReConcile's steps of the expert's confidence, or by the"
        " quality that the router predicts.",
    )
    wrong_answers: int = Field(
        9, ge=1, description="Wrong answers there are to choose from, for weights by the router."
    )

    def asked(self, request: Request) -> Request:
        """The request, so that its answer tells what it takes to weigh it."""
        return with_logprobs(request) if self.weights == "confidence" else request

    def vote_weight(self, said: Answer, panel: Panel) -> float:
        """What an answer's vote weighs; its confidence is the mean probability of its tokens."""
        if self.weights == "router":
            return self.router_weight(said.expert, panel)
        if self.weights == "confidence":
            return reconcile_weight(mean_token_probability(said.completion))
        return 1.0

    def router_weight(self, expert: str, panel: Panel) -> float:
        """The weight of an expert by the router's prediction."""
        return log_odds_weight(panel.scores.get(expert, 0.0), self.wrong_answers)
