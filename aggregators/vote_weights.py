"""Vote weights: the shared keys of aggregators that vote, and the weight of each vote."""

from typing import Literal

from pydantic import Field

from aggregators.base import Panel, with_logprobs
from aggregators.gather import Answer
from aggregators.sampling import SamplingConfig
from aggregators.tally import log_odds_weight, mean_token_probability, reconcile_weight
from experts.types import Request


class VotingConfig(SamplingConfig):
    """The keys that voting aggregators share."""

    weights: Literal["equal", "confidence", "router"] = Field(
        "equal",
        description="The weight of a vote: 1, by the expert's confidence in ReConcile's steps, or"
        " by the quality that the router predicts.",
    )
    wrong_answers: int = Field(
        9, ge=1, description="Assumed number of possible wrong answers, for weights by the router."
    )

    def asked(self, request: Request) -> Request:
        """The request, changed so that its answer has what its weight is computed from."""
        return with_logprobs(request) if self.weights == "confidence" else request

    def vote_weight(self, answer: Answer, panel: Panel) -> float:
        """The weight of an answer's vote; its confidence is the mean probability of its tokens."""
        if self.weights == "router":
            return self.router_weight(answer.expert, panel)
        if self.weights == "confidence":
            return reconcile_weight(mean_token_probability(answer.completion))
        return 1.0

    def router_weight(self, expert: str, panel: Panel) -> float:
        """The weight of an expert's vote by the quality that the router predicts."""
        return log_odds_weight(panel.scores.get(expert, 0.0), self.wrong_answers)
