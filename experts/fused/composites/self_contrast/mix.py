"""SCMoE's logits and its weak choice of experts (arXiv 2405.14507, section 3), in plain torch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from experts.fused.composites.combine import IMPLAUSIBLE, column, log_shares
from experts.fused.folder.methods.self_contrast import SelfContrastRole


class SelfContrastMix(nn.Module):
    """(1 + beta) z_strong - beta z_weak among what is plausible for the strong stream."""

    beta: Tensor
    log_alpha: Tensor

    def __init__(self, roles: Sequence[SelfContrastRole]) -> None:
        super().__init__()
        beta = column(role.beta for role in roles)
        self.register_buffer("beta", beta, persistent=False)
        log_alpha = log_shares(role.alpha if role.beta else 0.0 for role in roles)
        self.register_buffer("log_alpha", log_alpha, persistent=False)

    def forward(self, strong: Tensor, weak: Tensor, role: Tensor) -> Tensor:
        """Combine the two streams' logits into [rows, vocabulary]."""
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
        """The weights [rows, k], all but one of them 0, and the chosen experts [rows, k]."""
        rows = len(gate_logits)
        ids = gate_logits.topk(self._width, dim=-1).indices
        if self._width > self.columns.shape[1]:
            ids = ids.gather(-1, self.columns[:rows])
        heard = self.heard[:rows]
        if not renormalises:
            heard = heard * gate_logits.float().softmax(-1).gather(-1, ids)
        return heard, ids
