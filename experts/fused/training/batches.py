"""Rows of tokens as padded batches, and the order in which a training takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from experts.fused.training.encoding import Row

PADDING = 0
"""What fills a short row; no token of a row looks to its right, so any token will do."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors, padded on the right."""

    tokens: Tensor
    """[B, T], token ids."""
    positions: Tensor
    """[B, T - 1] bool: where the next token belongs to an answer; N of them are true."""
    targets: Tensor
    """[N], the answers' tokens, row after row."""
    row: Tensor
    """[N], which row a target belongs to."""


def collate(rows: Sequence[Row]) -> Batch:
    """Pad rows on the right."""
    longest = max(len(row.tokens) for row in rows)
    tokens = torch.full((len(rows), longest), PADDING)
    positions = torch.zeros((len(rows), longest - 1), dtype=torch.bool)
    for index, row in enumerate(rows):
        tokens[index, : len(row.tokens)] = torch.tensor(row.tokens)
        positions[index, row.prompt - 1 : len(row.tokens) - 1] = True
    return Batch(tokens, positions, tokens[:, 1:][positions], positions.nonzero()[:, 0])


class Order:
    """Which rows each step trains on: every row once an epoch, in an order of its own.

    It follows from the arguments alone, so that a resumed run goes on where it was. `window`
    batches are drawn together and sorted by length, which saves padding; an epoch's last rows
    that fill no batch wait for the next one.
    """

    def __init__(self, lengths: Sequence[int], batch: int, window: int, seed: str) -> None:
        self._lengths = lengths
        self._batch = min(batch, len(lengths))
        self._window = window
        self._seed = seed
        self._epoch = -1
        self._batches: list[list[int]] = []

    def rows(self, step: int) -> list[int]:
        """Choose the rows of a step, counted from 0."""
        epoch, index = divmod(step, len(self._lengths) // self._batch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._draw(epoch)
        return self._batches[index]

    def _draw(self, epoch: int) -> list[list[int]]:
        rng = Random(f"{self._seed} {epoch}")
        order = list(range(len(self._lengths)))
        rng.shuffle(order)
        order = order[: len(order) // self._batch * self._batch]
        batches: list[list[int]] = []
        for start in range(0, len(order), self._batch * self._window):
            drawn = order[start : start + self._batch * self._window]
            if self._window > 1:
                drawn.sort(key=lambda row: self._lengths[row])
            window = [drawn[at : at + self._batch] for at in range(0, len(drawn), self._batch)]
            rng.shuffle(window)
            batches += window
        return batches


def split(rows: Sequence[Row], most_tokens: int) -> list[list[int]]:
    """Group rows of similar length into batches of at most so many tokens, padding included."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].tokens))
    groups: list[list[int]] = []
    for index in order:
        if groups and (len(groups[-1]) + 1) * len(rows[index].tokens) <= most_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
