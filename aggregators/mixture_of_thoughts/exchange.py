"""An interaction layer over the active experts only, as training computes it.

A served batch runs every expert over every row and masks the idle ones (`Interaction.forward`).
Here each expert has run over its own texts only, and so do the projections: K of M experts cost
K / M.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from aggregators.mixture_of_thoughts.query_router import Choice
from experts.fused.composites.mixture_of_thoughts.attending import Attend
from experts.fused.composites.mixture_of_thoughts.interaction import Interaction, together


class Places(NamedTuple):
    """Where the hidden states of B texts are when those of all experts are concatenated."""

    slots: Tensor
    """[B, K] places of the active experts, by number; 0 where a text has fewer than K."""
    taken: Tensor
    """[B, K] bool: whether there is an expert in this slot."""
    primaries: Tensor
    """[B] places of the primaries."""

    @classmethod
    def of(cls, rows: Sequence[Tensor], choice: Choice) -> "Places":
        """`rows` are the texts of each expert."""
        places = torch.zeros_like(choice.active, dtype=torch.long)
        begin = 0
        for number, row in enumerate(rows):
            places[row, number] = torch.arange(begin, begin + len(row))
            begin += len(row)
        # The active experts first, in the order of their numbers.
        order = choice.active.int().argsort(dim=1, descending=True, stable=True)
        order = order[:, : int(choice.active.sum(1).max())]
        primaries = places.gather(1, choice.primary[:, None])[:, 0]
        return cls(places.gather(1, order), choice.active.gather(1, order), primaries)


def exchange(
    layer: Interaction,
    streams: Sequence[Tensor],
    rows: Sequence[Tensor],
    choice: Choice,
    attend: Attend,
) -> tuple[list[Tensor], Tensor]:
    """What the layer adds to each expert's hidden states, and how much each was attended to.

    Args:
        layer: the interaction layer.
        streams: [texts of the expert, T, width of the expert] each.
        rows: which of the B texts those are, ascending.
        choice: who takes part.
        attend: the attention, of the layer's form.

    Returns the deltas, shaped as the streams, and the experts' shares [B, T, M].

    """
    places = Places.of(rows, choice)
    batch, experts = choice.active.shape
    length = streams[0].shape[1]
    shared = [
        down(norm(stream))
        for down, norm, stream in zip(layer.down, layer.norms, streams, strict=True)
    ]
    whole = torch.cat(shared)
    own = whole[places.primaries]
    each = [choice.weights[row, number] for number, row in enumerate(rows)]
    value = layer.value(whole) * torch.cat(each)[:, None, None]

    def by_position(projected: Tensor) -> Tensor:
        """[all streams, T, H x s] to [B x T, K, H, s]."""
        slots = projected[places.slots].transpose(1, 2)
        return slots.reshape(batch * length, slots.shape[2], layer.heads, -1)

    key, value = by_position(layer.key(whole)), by_position(value)
    query = layer.query(own).reshape(batch * length, layer.heads, -1)
    taken = places.taken.repeat_interleave(length, 0)
    heard, shares = attend(query, key, value, taken)
    found = layer.out_norm(layer.out(heard.flatten(1)).view_as(own) + own)
    heeded = together(choice.active).to(found.dtype)[:, None, None]
    deltas = [
        heeded[row] * _delta(layer, number, found, one, row, choice.primary[row] == number)
        for number, (one, row) in enumerate(zip(shared, rows, strict=True))
    ]
    attention = shares.new_zeros(batch, experts, length)
    # Masks on both sides go by the experts' numbers.
    by_expert = shares.detach().view(batch, length, -1).transpose(1, 2)
    attention[choice.active] = by_expert[places.taken]
    return deltas, attention.transpose(1, 2)


def _delta(
    layer: Interaction, number: int, found: Tensor, shared: Tensor, row: Tensor, leads: Tensor
) -> Tensor:
    """One expert's delta: the attended result where it is the primary, else its peer adapter."""
    up = layer.up[number]
    primary = layer.primary_gate[number] * layer.up_norms[number](up(found[row[leads]]))
    alone = layer.peer_gate[number] * up(layer.peer(shared[~leads]))
    delta = primary.new_zeros(len(row), *primary.shape[1:])
    delta = delta.index_copy(0, leads.nonzero()[:, 0], primary)
    whole: Tensor = delta.index_copy(0, (~leads).nonzero()[:, 0], alone)
    return whole
