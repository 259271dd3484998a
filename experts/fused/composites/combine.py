"""What all methods need to combine logits of several models: plain torch, one row per request.

All of it is in float32. Logits stand in for log-probabilities: they differ by a constant per row
and model, which neither a softmax nor a comparison within a row can see.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

IMPLAUSIBLE = -20000.0
"""Added to the logits of tokens that must not be sampled: probability 0, but still in order.

So a grammar, or a ban on a token, that leaves no plausible token falls back to the plain model
where minus infinity would leave nothing to sample from. vLLM's server shows both as -9999.
"""


def plausible(logits: Tensor, judge: Tensor, log_alpha: Tensor) -> Tensor:
    """Make unsamplable the tokens that `judge` finds implausible (arXiv 2210.15097, section 3.3).

    Args:
        logits: [rows, vocabulary], of the combined model.
        judge: [rows, vocabulary], of the model whose own opinion counts.
        log_alpha: [rows, 1] log of the smallest share of the best token's probability; -inf: any.

    """
    below_best = judge - judge.amax(-1, keepdim=True)
    implausible = below_best < log_alpha
    best = logits.masked_fill(implausible, -math.inf).amax(-1, keepdim=True)
    return torch.where(implausible, below_best.add_(best + IMPLAUSIBLE), logits)


def log_shares(alphas: Iterable[float]) -> Tensor:
    """The logarithms of `alphas`, [roles, 1]; that of 0, which lets every token pass, is -inf."""
    return column(math.log(alpha) if alpha else -math.inf for alpha in alphas)


def column(numbers: Iterable[float]) -> Tensor:
    """The numbers as a column, [numbers, 1] in float32."""
    # Not in torch's default type, which is the models' while vLLM builds them.
    return torch.tensor(list(numbers), dtype=torch.float32)[:, None]


def silence(logits: Tensor, role_tokens: Tensor) -> Tensor:
    """Forbid the role tokens, which must never be generated: [rows, vocabulary]."""
    return logits.index_fill(-1, role_tokens, -math.inf)
