"""What is measured at the N tokens of several answers: picked for each, added up by answer."""

import torch
from torch import Tensor


def token_log_probs(log_probs: Tensor, targets: Tensor) -> Tensor:
    """Pick the log-probability of each target: [N, V] and [N] to [N], in nats."""
    return log_probs.gather(-1, targets[:, None]).squeeze(-1)


def sum_by_row(values: Tensor, row: Tensor, rows: int, length_norm: bool = False) -> Tensor:
    """Add up [N, ...] token values by answer to [rows, ...]; with `length_norm` [N] to means."""
    sums = values.new_zeros(rows, *values.shape[1:]).index_add(0, row, values)
    if not length_norm:
        return sums
    return sums / torch.bincount(row, minlength=rows).clamp(min=1)
