"""The logits of contrastive decoding and proxy tuning (arXiv 2210.15097, arXiv 2401.08565)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from experts.fused.composites.combine import log_shares, plausible
from experts.fused.folder.methods.contrast import ContrastRole


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
        """Combine the members' logits, [rows, vocabulary] each, into [rows, vocabulary]."""
        coefficients, plus = self.coefficients[role], self.plus[role]
        combined = torch.zeros_like(members[0])
        judge = members[0]
        for number, logits in enumerate(members):
            combined = combined + coefficients[:, number, None] * logits
            judge = torch.where((plus == number)[:, None], logits, judge)
        return plausible(combined, judge, self.log_alpha[role])
