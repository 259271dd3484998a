"""The weak choice of a mixture's gate: one expert, and not the best one."""

import torch
from torch import Tensor


def choose_rank(
    gate_logits: Tensor, top_ids: Tensor, ranks: Tensor, renormalises: bool
) -> tuple[Tensor, Tensor]:
    """The weights and experts of rows that hear one expert only (arXiv 2405.14507, section 3).

    The weight is what the gate gives that expert: 1 where it shares out 1 among the chosen ones,
    else the expert's own probability, as in the paper's code for DeepSeek.

    Args:
        gate_logits: [rows, experts].
        top_ids: [rows, k] what the gate chose.
        ranks: [rows] which expert to hear; 0 is that of the largest gate value.
        renormalises: whether the weights of the chosen experts sum to 1.

    Returns:
        [rows, k] weights, all but one 0, and [rows, k] experts, all different.
    """
    order = gate_logits.argsort(dim=-1, descending=True, stable=True)
    chosen = order.gather(-1, ranks[:, None])
    ids = top_ids.clone()
    present = (ids == chosen).any(-1)
    # A kernel wants k different experts; those that are not heard have weight 0.
    ids[:, -1] = torch.where(present, ids[:, -1], chosen[:, 0].to(ids.dtype))
    heard = (ids == chosen).float()
    if renormalises:
        return heard, ids
    return heard * gate_logits.float().softmax(-1).gather(-1, chosen), ids
