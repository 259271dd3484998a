"""The query router of a Mixture of Thoughts: an MLP over the sentence embedding of a question."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

HIDDEN = 256
INIT_STD = 0.02


class Choice(NamedTuple):
    """The experts that are active in the answers to B questions."""

    active: Tensor
    """[B, M] bool: the K experts of the largest scores."""
    primary: Tensor
    """[B] the speaker with the largest score."""
    weights: Tensor
    """[B, M] 1 for each active expert, with the gradient of its probability (straight-through)."""


class Scores(NamedTuple):
    """The router's scores for B questions."""

    members: Tensor
    """[B, M] the score of each expert."""
    alone: Tensor
    """[B] log-odds that the primary needs no peers."""


class QueryRouter(nn.Module):
    """Scores M experts for a question (three layers, ReLU, dropout), and whether one is enough."""

    def __init__(self, dimension: int, experts: int, dropout: float) -> None:
        super().__init__()
        self.scale = math.sqrt(dimension)
        self.layers = nn.Sequential(
            nn.Linear(dimension, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, experts + 1),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=INIT_STD)
                nn.init.zeros_(layer.bias)

    def forward(self, embeddings: Tensor) -> Scores:
        """Score embeddings [B, dimension], each of length one."""
        # Scaled to about 1 per number, the topic of a question is learned before the overall means;
        # otherwise one expert would get every question, and the others nothing to learn from.
        judged: Tensor = self.layers(self.scale * embeddings)
        return Scores(judged[:, :-1], judged[:, -1])


def choose(scores: Tensor, count: int, speakers: Tensor, noisy: Tensor | None = None) -> Choice:
    """Pick for each row a primary, the best of the `speakers`, and the best `count` - 1 others.

    `scores` [B, M] are the router's; `noisy`, where given, decides instead of them, while the
    gradients remain theirs (straight-through). `speakers` is [M] bool. Ties go to the first
    expert.
    """
    deciding = scores if noisy is None else noisy
    spoken = deciding.masked_fill(~speakers, float("-inf"))
    primary = spoken.argsort(dim=-1, descending=True, stable=True)[:, 0]
    ahead = deciding.scatter(-1, primary[:, None], float("inf"))
    picked = ahead.argsort(dim=-1, descending=True, stable=True)[:, :count]
    active = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, picked, True)
    # The probability of each role taken: speaking for the primary, listening for the others.
    own = torch.zeros_like(scores).scatter(-1, primary[:, None], 1.0)
    soft = own * speaking(scores, speakers).exp() + listening(scores, primary).exp()
    return Choice(active, primary, active + (soft - soft.detach()))


def speaking(scores: Tensor, speakers: Tensor) -> Tensor:
    """[B, M] log-probabilities of being the primary."""
    return scores.masked_fill(~speakers, float("-inf")).log_softmax(-1)


def listening(scores: Tensor, primary: Tensor) -> Tensor:
    """[B, M] log-probabilities of being the first peer of the `primary`; it is none itself.

    They do not depend on its own score: peers can be learned even when the primary is certain.
    """
    return scores.scatter(-1, primary[:, None], float("-inf")).log_softmax(-1)


def odds(scores: Tensor, choice: Choice, speakers: Tensor) -> Tensor:
    """[B] log-probabilities of a choice, with each peer counted as if it were drawn first."""
    primary = choice.primary[:, None]
    peers = choice.active.scatter(-1, primary, False)
    heard = listening(scores, choice.primary).masked_fill(~peers, 0.0).sum(-1)
    return speaking(scores, speakers).gather(-1, primary)[:, 0] + heard
