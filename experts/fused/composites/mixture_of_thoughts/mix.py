"""Mixture of Thoughts' logits: those of the primary, with its attention in the role tokens'."""

from collections.abc import Sequence

import torch
from torch import Tensor

from experts.fused.composites.mixture_of_thoughts.listening import LOUDNESS
from experts.fused.composites.role_logprobs import QUIETEST


def primary_logits(members: Sequence[Tensor], primary: Tensor) -> Tensor:
    """[rows, vocabulary] logits of each row's primary.

    Args:
        members: [rows, vocabulary] logits of every member.
        primary: [rows] numbers of members.

    """
    rows = torch.arange(len(primary), device=primary.device)
    return torch.stack(list(members))[primary, rows]


def tell_attention(logits: Tensor, shares: Tensor, role_tokens: Tensor) -> Tensor:
    """Write the attention into the logits of the first role tokens (read by `listening.listened`).

    `shares` is [rows, interactions x experts], each in 0..1; what finds no token is left out. In
    place.
    """
    columns = role_tokens[: shares.shape[-1]]
    told = QUIETEST - LOUDNESS * shares[:, : len(columns)].to(logits.dtype)
    logits[:, columns] = logits.logsumexp(-1, keepdim=True) + told
    return logits
