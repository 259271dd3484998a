"""Two forms of the attention in an interaction layer, for training and serving alike.

*positionwise*: over the active experts at the primary's own position. *sequence*: over all of
their positions up to it, as in the paper (arXiv 2509.21164, section 3.2), which needs the past.

The past of the sequence form is attended to expert by expert, by any kernel for causal attention,
and joined to one softmax afterwards. A kernel does not return the sum that it divided by; position
0 makes up for that. Its key is 0, so it weighs exp(0) = 1, and its value is 0 except for a last
number that is 1 there and 0 elsewhere: what comes out in that place is 1 / sum of all weights.
"""

import math
from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

Form = Literal["positionwise", "sequence"]
Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Causal attention of [rows, heads x size] queries, keys and values, with scale size^-1/2."""
SMALLEST = 1e-30


class Attend(Protocol):
    """Attention of R primaries over E experts in H heads."""

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, active: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What is heard [R, H, v] and how much of each expert [R, E], shares that sum to 1.

        Args:
            query: [R, H, s].
            key: [R, E, H, s].
            value: [R, E, H, v]; v is `value_size` of s, or s where zeros fill up.
            active: [R, E] bool; idle experts are not heard. None: there are none.

        """
        ...


def value_size(form: Form, size: int) -> int:
    """The size of a head's values where its keys have `size` numbers."""
    return size if form == "positionwise" else size - 1


def positionwise(
    query: Tensor, key: Tensor, value: Tensor, active: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Attend within each row alone (`Attend`)."""
    # Products and sums: for a handful of experts a matrix product is mostly preparation.
    scores = (query[:, None] * key).sum(-1) * query.shape[-1] ** -0.5
    shares = _among(scores, active).softmax(1)
    return (shares[..., None] * value).sum(1), shares.mean(-1)


class OverSequence:
    """Attend over the past of each row (`Attend`)."""

    def __init__(self, kernel: Kernel, first: Tensor | None) -> None:
        """`first` is [rows] bool: where a sequence begins; None: nowhere here."""
        self._kernel = kernel
        self._first = None if first is None else first[:, None, None, None]

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, active: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        marked = pad(value, (0, key.shape[-1] - value.shape[-1]))
        if self._first is not None:
            key = torch.where(self._first, 0.0, key)
            mark = pad(self._first.to(value.dtype), (key.shape[-1] - 1, 0))
            marked = torch.where(self._first, mark, marked)
        asked = query[:, None].expand(key.shape)
        found = self._kernel(asked.flatten(1), key.flatten(1), marked.flatten(1))
        return join(found.view(key.shape).float(), active)


def _among(scores: Tensor, active: Tensor | None) -> Tensor:
    return scores if active is None else scores.masked_fill(~active[:, :, None], -math.inf)


def join(found: Tensor, active: Tensor | None) -> tuple[Tensor, Tensor]:
    """Join the softmaxes of the active experts to one over all of them.

    `found` is [R, E, H, v + 1], the last number being 1 / sum of the weights; returns what is
    heard [R, H, v] and the experts' shares [R, E].
    """
    heard, inverse = found[..., :-1], found[..., -1].clamp(min=SMALLEST)
    # By logarithms: sums of weights grow as exp(score), and a gradient would overflow.
    shares = _among(-inverse.log(), active).softmax(1)
    return (heard * shares[..., None]).sum(1), shares.mean(-1)


def causal(batch: int, heads: int) -> Kernel:
    """The kernel for rows that are `batch` sequences of equal length, one after the other."""

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (
            one.reshape(batch, -1, heads, one.shape[-1] // heads).transpose(1, 2)
            for one in (query, key, value)
        )
        found = scaled_dot_product_attention(q, k, v, is_causal=True)
        return found.transpose(1, 2).flatten(2).flatten(0, 1)

    return attend
