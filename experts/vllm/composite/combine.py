"""How logits of several models become one row of logits: plain torch, one row per request.

All of it is in float32. Logits stand in for log-probabilities: they differ by a constant per row
and model, which neither a softmax nor a comparison within a row can see.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from experts.vllm.composite.config import (
    NOBODY,
    ContrastRole,
    FusionRoute,
    SelfContrastRole,
)
from experts.vllm.composite.speaker import QUIETEST

IMPLAUSIBLE = -20000.0
"""Added to the logits of tokens that must not be sampled: probability 0, but still in order.

So a grammar, or a ban on a token, that leaves no plausible token falls back to the plain model
where minus infinity would leave nothing to sample from. vLLM's server shows both as -9999.
"""


def plausible(logits: Tensor, judge: Tensor, log_alpha: Tensor) -> Tensor:
    """Push down the tokens that `judge` finds implausible (arXiv 2210.15097, section 3.3).

    Args:
        logits: [rows, vocabulary], of the combined model.
        judge: [rows, vocabulary], of the model whose own opinion counts.
        log_alpha: [rows, 1] log of the smallest share of the best token's probability; -inf: any.
    """
    below_best = judge - judge.amax(-1, keepdim=True)
    best = logits.masked_fill(below_best < log_alpha, -math.inf).amax(-1, keepdim=True)
    return torch.where(below_best < log_alpha, best + IMPLAUSIBLE + below_best, logits)


def log_shares(alphas: Iterable[float]) -> Tensor:
    """[roles, 1] logarithms; an alpha of 0, which lets every token pass, is minus infinity."""
    return _column(math.log(alpha) if alpha else -math.inf for alpha in alphas)


def _column(numbers: Iterable[float]) -> Tensor:
    # Not in torch's default type, which is the models' while vLLM builds them.
    return torch.tensor(list(numbers), dtype=torch.float32)[:, None]


def silence(logits: Tensor, role_tokens: Tensor) -> Tensor:
    """[rows, vocabulary] without the role tokens, which must never be generated."""
    return logits.index_fill(-1, role_tokens, -math.inf)


class RouteMix(nn.Module):
    """FusionRoute (arXiv 2601.05106 v5, section 2): router plus the expert that its head picks."""

    forced: Tensor
    router_speaks: Tensor

    def __init__(self, composite: FusionRoute) -> None:
        super().__init__()
        number = {name: index for index, name in enumerate(composite.members)}
        # The router alone: a number after the last expert's, which equals none of them.
        number[NOBODY] = len(number)
        forced = [-1 if r.expert is None else number[r.expert] for r in composite.roles]
        speaks = [role.router_logits for role in composite.roles]
        self.register_buffer("forced", torch.tensor(forced), persistent=False)
        self.register_buffer("router_speaks", torch.tensor(speaks)[:, None], persistent=False)

    def pick(self, weights: Tensor, role: Tensor) -> Tensor:
        """[rows] number of the expert to hear, from [rows, experts] routing weights."""
        forced = self.forced[role]
        return torch.where(forced >= 0, forced, weights.argmax(-1))

    def forward(
        self, router: Tensor, experts: Sequence[Tensor], pick: Tensor, role: Tensor
    ) -> Tensor:
        """[rows, vocabulary] sum of the logits of those who speak, coefficient 1 each."""
        logits = torch.where(self.router_speaks[role], router, 0.0)
        for number, expert in enumerate(experts):
            logits = torch.where((pick == number)[:, None], logits + expert, logits)
        return logits


def name_speaker(logits: Tensor, pick: Tensor, token: int) -> Tensor:
    """Say in the logit of `token` who was heard, for `speaker.speaker` to read. In place."""
    logits[:, token] = logits.logsumexp(-1) + QUIETEST - pick
    return logits


class ContrastMix(nn.Module):
    """z = z_plus + w (z_b - z_c): one coefficient for every role and member."""

    coefficients: Tensor
    plus: Tensor
    log_alpha: Tensor

    def __init__(self, roles: Sequence[ContrastRole], members: Sequence[str]) -> None:
        super().__init__()
        number = {name: index for index, name in enumerate(members)}
        coefficients = torch.zeros(len(roles), len(members), dtype=torch.float32)
        for row, role in zip(coefficients, roles, strict=True):
            row[number[role.plus]] += 1
            if role.minus:
                (added, subtracted), weight = role.minus
                row[number[added]] += weight
                row[number[subtracted]] -= weight
        self.register_buffer("coefficients", coefficients, persistent=False)
        plus = torch.tensor([number[role.plus] for role in roles])
        self.register_buffer("plus", plus, persistent=False)
        log_alpha = log_shares(role.alpha for role in roles)
        self.register_buffer("log_alpha", log_alpha, persistent=False)

    def forward(self, members: Sequence[Tensor], role: Tensor) -> Tensor:
        """[rows, vocabulary] of [rows, vocabulary] logits of every member."""
        coefficients, plus = self.coefficients[role], self.plus[role]
        combined = torch.zeros_like(members[0])
        judge = members[0]
        for number, logits in enumerate(members):
            combined = combined + coefficients[:, number, None] * logits
            judge = torch.where((plus == number)[:, None], logits, judge)
        return plausible(combined, judge, self.log_alpha[role])


class SelfContrastMix(nn.Module):
    """(1 + beta) z_strong - beta z_weak among what is plausible for the strong stream."""

    beta: Tensor
    log_alpha: Tensor

    def __init__(self, roles: Sequence[SelfContrastRole]) -> None:
        super().__init__()
        beta = _column(role.beta for role in roles)
        self.register_buffer("beta", beta, persistent=False)
        log_alpha = log_shares(role.alpha if role.beta else 0.0 for role in roles)
        self.register_buffer("log_alpha", log_alpha, persistent=False)

    def forward(self, strong: Tensor, weak: Tensor, role: Tensor) -> Tensor:
        """[rows, vocabulary] of the two streams' logits."""
        beta = self.beta[role]
        return plausible((1 + beta) * strong - beta * weak, strong, self.log_alpha[role])
