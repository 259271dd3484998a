"""The interaction layers of a Mixture of Thoughts (arXiv 2509.21164), trained and served.

Between two stacks of layers every active expert's residual stream is projected into a shared
width, where the primary attends over all of them, itself included. What it finds goes back into
its own stream behind a gate that starts at zero; the peers' streams are adapted, behind gates of
their own. Rows are tokens here: a stream has summed up its past causally already. What else of the
past the primary attends to is a matter of the form (`attending.py`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from experts.vllm.composite.attending import Attend, Form, positionwise, value_size


class Exchange(NamedTuple):
    """What an interaction adds, and how the primary listened."""

    deltas: list[Tensor]
    """Of each expert [rows, width]: to be added to its residual stream; 0 if idle or alone."""
    attention: Tensor
    """[rows, experts] shares that sum to 1: how much the primary heard of each expert."""


def cut(layers: int, stacks: int) -> list[tuple[int, int]]:
    """Cut `layers` into so many stacks of (almost) equal depth: where each begins and ends.

    A stack is empty where there are fewer layers than stacks.
    """
    return [(layers * s // stacks, layers * (s + 1) // stacks) for s in range(stacks)]


def together(active: Tensor) -> Tensor:
    """[rows] bool: who is not alone, of `active` [rows, experts]. Alone an expert is itself."""
    return active.sum(1) > 1


class Interaction(nn.Module):
    """One interaction layer over experts of any widths."""

    def __init__(
        self, widths: Sequence[int], shared: int, heads: int, form: Form = "positionwise"
    ) -> None:
        super().__init__()
        if shared % heads:
            raise ValueError(f"a shared width of {shared} can not be split into {heads} heads")
        self.heads = heads
        self.size = shared // heads
        heard = heads * value_size(form, self.size)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.down = nn.ModuleList(nn.Linear(width, shared, bias=False) for width in widths)
        self.query = nn.Linear(shared, shared, bias=False)
        self.key = nn.Linear(shared, shared, bias=False)
        self.value = nn.Linear(shared, heard, bias=False)
        self.out = nn.Linear(heard, shared, bias=False)
        self.out_norm = nn.LayerNorm(shared)
        self.peer = nn.Sequential(nn.Linear(shared, shared), nn.GELU(), nn.Linear(shared, shared))
        self.up = nn.ModuleList(nn.Linear(shared, width, bias=False) for width in widths)
        self.up_norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.primary_gate = nn.Parameter(torch.zeros(len(widths)))
        self.peer_gate = nn.Parameter(torch.zeros(len(widths)))

    def forward(
        self,
        streams: Sequence[Tensor],
        active: Tensor,
        primary: Tensor,
        attend: Attend = positionwise,
        present: Sequence[int] | None = None,
    ) -> Exchange:
        """Let the primary of each row listen.

        Args:
            streams: residual streams of all experts, [rows, width of the expert] each. What an
                idle expert's holds has no effect.
            active: [rows, experts] bool, the primary included.
            primary: [rows] number of an expert.
            attend: the attention, of the layer's form; over the `present` experts.
            present: numbers of the experts that are active in any row, if that is known: the
                others are passed over.
        """
        numbers = list(range(len(streams)) if present is None else present)
        shared = torch.stack([self.down[n](self.norms[n](streams[n])) for n in numbers], 1)
        here = active[:, numbers]
        leads = primary[:, None] == torch.tensor(numbers, device=primary.device)
        # A served expert that was absent before has no past: its states may be anything, or NaN.
        shared = torch.where(here[:, :, None], shared, 0.0)  # [rows, present, shared]
        own = (shared * leads[:, :, None]).sum(1)
        heard, shares = self._listen(own, shared, here, attend)
        found = self.out_norm(self.out(heard) + own)
        # Each row goes back once: the primary's with what was found, a peer's with its adaption.
        back = torch.where(leads[:, :, None], found[:, None], self.peer(shared))
        own_gates, peer_gates = self.primary_gate[numbers], self.peer_gate[numbers]
        gates = torch.where(leads, own_gates, peer_gates) * (here & together(active)[:, None])
        told = {}
        attention = shares.new_zeros(active.shape)
        attention[:, numbers] = shares
        for place, number in enumerate(numbers):
            raised = self.up[number](back[:, place])
            raised = torch.where(leads[:, place, None], self.up_norms[number](raised), raised)
            told[number] = (gates[:, place, None] * raised).to(streams[number].dtype)
        deltas = [
            told[number] if number in told else torch.zeros_like(stream)
            for number, stream in enumerate(streams)
        ]
        return Exchange(deltas, attention)

    def adapt(self, number: int, stream: Tensor) -> Tensor:
        """What a peer adds to its own stream [..., width] where it stands apart from the rows."""
        shared = self.down[number](self.norms[number](stream))
        delta: Tensor = self.peer_gate[number] * self.up[number](self.peer(shared))
        return delta.to(stream.dtype)

    def _listen(
        self, own: Tensor, shared: Tensor, active: Tensor, attend: Attend
    ) -> tuple[Tensor, Tensor]:
        query, key, value = (
            one.unflatten(-1, (self.heads, -1))
            for one in (self.query(own), self.key(shared), self.value(shared))
        )
        heard, shares = attend(query, key, value, active)
        return heard.flatten(1), shares
