"""The auxiliary losses of a Mixture of Thoughts as pure functions of the router's scores."""

import torch
from torch import Tensor


def entropy(scores: Tensor) -> Tensor:
    """Mean entropy of softmax(scores) [B, M], in nats; training raises it: all are tried."""
    return -(scores.softmax(-1) * scores.log_softmax(-1)).sum(-1).mean()


def straight_through(chosen: Tensor, costs: Tensor) -> Tensor:
    """0, with the gradient of what a choice costs: mean of sum_i p_i costs_i.

    `chosen` [N, M] are hard choices with the gradient of their probabilities p, `costs` [N, M] in
    nats, which get no gradient.
    """
    return ((chosen - chosen.detach()) * costs.detach()).sum(-1).mean()


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


def gumbel(scores: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Scores with Gumbel noise [B, M]: the largest of a row is a draw from its softmax."""
    uniform = torch.rand(scores.shape, generator=generator).clamp(1e-9, 1 - 1e-7)
    return scores - (-uniform.log()).log()
