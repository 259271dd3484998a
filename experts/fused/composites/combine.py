"""How logits of several models become one row of logits: plain torch, one row per request.

All of it is in float32. Logits stand in for log-probabilities: they differ by a constant per row
and model, which neither a softmax nor a comparison within a row can see.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from experts.fused.composites.fusion_route.speaker import QUIETEST
from experts.fused.composites.mixture_of_thoughts.listening import LOUDNESS
from experts.fused.folder.folder_config import (
    NOBODY,
    ContrastRole,
    FusionRoute,
    SelfContrastRole,
)

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
    implausible = below_best < log_alpha
    best = logits.masked_fill(implausible, -math.inf).amax(-1, keepdim=True)
    return torch.where(implausible, below_best.add_(best + IMPLAUSIBLE), logits)


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


def tell_attention(logits: Tensor, shares: Tensor, role_tokens: Tensor) -> Tensor:
    """Say in the logits of the first role tokens who was listened to, for `listening.listened`.

    `shares` is [rows, interactions x experts], each in 0..1; what finds no token is left out. In
    place.
    """
    columns = role_tokens[: shares.shape[-1]]
    told = QUIETEST - LOUDNESS * shares[:, : len(columns)].to(logits.dtype)
    logits[:, columns] = logits.logsumexp(-1, keepdim=True) + told
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
        # strong + beta (strong - weak) in one pass; a beta of 0 gives `strong` to the bit.
        combined = torch.addcmul(strong, strong - weak, self.beta.index_select(0, role))
        # As in `plausible`, but with fewer passes: beta is bounded, so that the strong stream's
        # own logits lie far enough below the best combined one.
        threshold = strong.amax(-1, keepdim=True) + self.log_alpha.index_select(0, role)
        return torch.where(strong < threshold, strong + IMPLAUSIBLE, combined)


class WeakChoice(nn.Module):
    """The weak choice of a mixture's gates: one expert, and not the best one.

    arXiv 2405.14507, section 3. The weight is what the gate gives that expert: 1 where it shares
    out 1 among the chosen ones, else the expert's own probability, as in the paper's code for
    DeepSeek. A kernel wants k different experts; those that are not heard have weight 0.
    """

    columns_of_role: Tensor
    heard_of_role: Tensor
    columns: Tensor
    heard: Tensor

    def __init__(self, ranks: Sequence[int], chosen: int, rows: int) -> None:
        """`ranks` of the roles, from 1; the gates choose `chosen` experts; `rows` at most."""
        super().__init__()
        self._width = max(chosen, *ranks)
        columns = torch.arange(chosen).repeat(len(ranks), 1)
        heard = torch.zeros(len(ranks), chosen, dtype=torch.float32)
        for number, rank in enumerate(ranks):
            place = min(rank, chosen) - 1
            columns[number, place] = rank - 1
            heard[number, place] = 1
        self.register_buffer("columns_of_role", columns, persistent=False)
        self.register_buffer("heard_of_role", heard, persistent=False)
        # At fixed addresses, so that a captured graph reads the roles of the step at hand.
        self.register_buffer("columns", columns[:1].repeat(rows, 1), persistent=False)
        self.register_buffer("heard", heard[:1].repeat(rows, 1), persistent=False)

    def tell(self, role: Tensor) -> None:
        """Set the [rows] roles of the step that begins; all layers' gates then use them."""
        torch.index_select(self.heard_of_role, 0, role, out=self.heard[: len(role)])
        if self._width > self.columns.shape[1]:
            torch.index_select(self.columns_of_role, 0, role, out=self.columns[: len(role)])

    def forward(self, gate_logits: Tensor, renormalises: bool) -> tuple[Tensor, Tensor]:
        """[rows, k] weights, all but one 0, and [rows, k] experts, of [rows, experts]."""
        rows = len(gate_logits)
        ids = gate_logits.topk(self._width, dim=-1).indices
        if self._width > self.columns.shape[1]:
            ids = ids.gather(-1, self.columns[:rows])
        heard = self.heard[:rows]
        if not renormalises:
            heard = heard * gate_logits.float().softmax(-1).gather(-1, ids)
        return heard, ids
