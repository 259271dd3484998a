"""FusionRoute's logits (arXiv 2601.05106 v5, section 2), in plain torch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from experts.fused.composites.role_logprobs import QUIETEST
from experts.fused.folder.methods.fusion_route import NO_EXPERT, FusionRoute


class RouteMix(nn.Module):
    """The router's logits plus those of the expert that its head picks."""

    forced: Tensor
    router_speaks: Tensor

    def __init__(self, composite: FusionRoute) -> None:
        super().__init__()
        number = {name: index for index, name in enumerate(composite.members)}
        # The router alone: a number after the last expert's, which equals none of them.
        number[NO_EXPERT] = len(number)
        forced = [-1 if r.expert is None else number[r.expert] for r in composite.roles]
        speaks = [role.router_logits for role in composite.roles]
        self.register_buffer("forced", torch.tensor(forced), persistent=False)
        self.register_buffer("router_speaks", torch.tensor(speaks)[:, None], persistent=False)

    def pick(self, weights: Tensor, role: Tensor) -> Tensor:
        """The number of the expert to hear, [rows], from routing weights [rows, experts]."""
        forced = self.forced[role]
        return torch.where(forced >= 0, forced, weights.argmax(-1))

    def forward(
        self, router: Tensor, experts: Sequence[Tensor], pick: Tensor, role: Tensor
    ) -> Tensor:
        """Sum the logits of those who speak, with coefficient 1 each: [rows, vocabulary]."""
        logits = torch.where(self.router_speaks[role], router, 0.0)
        for number, expert in enumerate(experts):
            logits = torch.where((pick == number)[:, None], logits + expert, logits)
        return logits


def name_speaker(logits: Tensor, pick: Tensor, token: int) -> Tensor:
    """Write which expert was heard into the logit of `token`, in place (see `speaker.py`)."""
    logits[:, token] = logits.logsumexp(-1) + QUIETEST - pick
    return logits
