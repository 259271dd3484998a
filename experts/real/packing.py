"""A training batch as one row: examples share the system prompt, and do not see each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from experts.zoo.train import IGNORED, Encoded


@dataclass(frozen=True, slots=True)
class Packed:
    """What the model is called with, and the tokens that it should say."""

    tokens: torch.Tensor
    """[1, length]"""
    positions: torch.Tensor
    """[1, length]; every example goes on where the shared start ends."""
    visible: torch.Tensor
    """[1, 1, length, length]: which token may look at which."""
    labels: torch.Tensor
    """[1, length], shifted: the token that should follow, or IGNORED."""


def shared_start(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with, each with one at least that follows."""
    shortest = min(map(len, rows)) - 1
    return next((i for i in range(shortest) if len({row[i] for row in rows}) > 1), shortest)


def pack(rows: Sequence[Encoded]) -> Packed:
    """Put prompts with their answers into one row, exactly as if each stood alone.

    A third of a short question is the system prompt, which is read once like this, and no token
    is padding.
    """
    start = shared_start([prompt for prompt, _ in rows])
    tokens, owner = list(rows[0][0][:start]), [-1] * start
    positions, labels = list(range(start)), [IGNORED] * start
    for index, (prompt, answer) in enumerate(rows):
        own = [*prompt[start:], *answer]
        silent = len(prompt) - start - 1
        tokens += own
        owner += [index] * len(own)
        positions += range(start, start + len(own))
        labels += [IGNORED] * silent + list(answer) + [IGNORED]
    owners = torch.tensor(owner)
    same = (owners[:, None] == owners[None, :]) | (owners[None, :] == -1)
    return Packed(
        torch.tensor([tokens]),
        torch.tensor([positions]),
        torch.tril(same)[None, None],
        torch.tensor([labels]),
    )
