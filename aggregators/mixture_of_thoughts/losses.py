"""The auxiliary losses of a Mixture of Thoughts as pure functions of the router's scores."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

SURELY_NOT = -1e4
"""Stands for log 0, where a product with 0 must be 0."""


def entropy(logs: Tensor) -> Tensor:
    """Mean entropy of log-probabilities [B, M], in nats; it is raised so that all are tried."""
    return -(logs.exp() * logs.clamp(min=SURELY_NOT)).sum(-1).mean()


def cost_cross_entropy(
    scores: Tensor, costs: Tensor, speakers: Tensor, temperature: float
) -> Tensor:
    """Cross-entropy of softmax(scores) with softmax(-costs / temperature), both over `speakers`.

    `scores`, `costs` [B, M], `speakers` [M] bool. Unlike the expected cost it has a gradient where
    the router is confident and wrong, so that no expert that is good on average takes everything.
    """
    wanted = (-costs / temperature).masked_fill(~speakers, float("-inf")).softmax(-1)
    return cross_entropy(scores.masked_fill(~speakers, SURELY_NOT), wanted)


def preference(costs: tuple[Tensor, Tensor], odds: tuple[Tensor, Tensor]) -> Tensor:
    """A surrogate for the expected cost of a draw: two draws for each of B rows are compared.

    REINFORCE with the other draw as baseline (RLOO, arXiv 2402.14740, for two draws). `costs` [B]
    in nats get no gradient; `odds` [B] are the draws' log-probabilities. Only the gradient counts.
    """
    one, other = costs
    ahead = 0.5 * (one - other).detach()
    return (ahead * (odds[0] - odds[1])).mean()


def imbalance(chosen: Tensor) -> Tensor:
    """(standard deviation / mean)^2 of how much each expert is used; `chosen` is [B, M]."""
    usage = chosen.mean(0)
    return (usage.std(unbiased=False) / usage.mean().clamp(min=1e-9)) ** 2


def disagreement(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Symmetric KL divergence of two predictions of the same tokens, [N, V] each, in nats.

    Both are log-probabilities; they are softened by `temperature`, and the result is scaled by
    its square, which keeps the size of the gradient.
    """
    p, q = ((one / temperature).log_softmax(-1) for one in (first, second))
    both = (p.exp() - q.exp()) * (p - q)
    return 0.5 * both.sum(-1).mean() * temperature**2


def gumbel(scores: Tensor, size: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Scores with Gumbel noise [B, M]: the largest of a row is a draw from softmax(scores / size).

    A size of 0 draws the best.
    """
    uniform = torch.rand(scores.shape, generator=generator).clamp(1e-9, 1 - 1e-7)
    return scores - size * (-uniform.log()).log()
