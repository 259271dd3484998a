"""An interaction layer where all rows of a step have the same primary and peers.

It computes what `Interaction` does in half as many operations, because steps of a few rows spend
most of their time launching them. No expert has to be masked, each one's part is known, and what
stays the same once weights are loaded is multiplied in advance.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, pad

from experts.fused.composites.mixture_of_thoughts.attending import Attend
from experts.fused.composites.mixture_of_thoughts.interaction import Exchange, Interaction, Seats


class _Own(NamedTuple):
    """The weights of one expert; `size` is its width."""

    size: list[int]
    norm: tuple[Tensor, Tensor]
    down: Tensor
    up: Tensor
    """[width, shared] for what the primary found, ..."""
    up_norm: tuple[Tensor, Tensor]
    """... which is normed then, and goes through its gate in here."""
    adapted: tuple[Tensor, Tensor]
    """[width, shared] and [width]: a peer's way up, its gate and second layer in it."""


class Alike:
    """The weights of an `Interaction`, folded when this is made."""

    @torch.no_grad()
    def __init__(self, layer: Interaction) -> None:
        of = dict(layer.named_parameters())
        self._heads = layer.heads
        self._shared = layer.heads * layer.size
        self._eps = layer.out_norm.eps
        self._query = of["query.weight"]
        self._out = of["out.weight"].t()
        self._out_norm = (of["out_norm.weight"], of["out_norm.bias"])
        # In the sequence form a value is one number short of a key.
        value = of["value.weight"].view(layer.heads, -1, self._shared)
        value = pad(value, (0, 0, 0, layer.size - value.shape[1])).flatten(0, 1)
        self._known = torch.cat([of["key.weight"], value, of["peer.0.weight"]])
        self._known_bias = pad(of["peer.0.bias"], (2 * self._shared, 0))
        self._own = [_own(of, number) for number in range(len(layer.down))]

    def __call__(self, streams: Sequence[Tensor], seats: Seats, attend: Attend) -> Exchange:
        """As `Interaction.forward`, where `seats` have a leader."""
        assert seats.leader is not None
        own = [(self._own[number], streams[number]) for number in seats.numbers]
        shared = torch.stack(
            [
                linear(layer_norm(stream, one.size, *one.norm, self._eps), one.down)
                for one, stream in own
            ],
            1,
        )
        asks = shared[:, seats.leader]
        known = linear(shared, self._known, self._known_bias)
        width = self._shared
        heads = (*shared.shape[:2], self._heads, -1)
        heard, shares = attend(
            linear(asks, self._query).view(len(asks), self._heads, -1),
            known[..., :width].view(heads),
            known[..., width : 2 * width].view(heads),
            None,
        )
        found = torch.addmm(asks, heard.flatten(1), self._out)
        found = layer_norm(found, [width], *self._out_norm, self._eps)
        hidden = known[..., 2 * width :]
        # GELU; torch's own takes ten times as long for a few numbers.
        hidden = hidden * torch.special.ndtr(hidden)
        deltas = [torch.zeros_like(stream) for stream in streams]
        for place, number in enumerate(seats.numbers):
            one = self._own[number]
            if place == seats.leader:
                raised = linear(found, one.up)
                deltas[number] = layer_norm(raised, one.size, *one.up_norm, self._eps)
            else:
                deltas[number] = linear(hidden[:, place], *one.adapted)
        return Exchange(deltas, seats.spread(shares, len(streams)))


def _own(of: Mapping[str, Tensor], number: int) -> _Own:
    up = of[f"up.{number}.weight"]
    primary, peer = of["primary_gate"][number], of["peer_gate"][number]
    return _Own(
        [len(up)],
        (of[f"norms.{number}.weight"], of[f"norms.{number}.bias"]),
        of[f"down.{number}.weight"],
        up,
        (primary * of[f"up_norms.{number}.weight"], primary * of[f"up_norms.{number}.bias"]),
        (peer * up @ of["peer.2.weight"], peer * up @ of["peer.2.bias"]),
    )
