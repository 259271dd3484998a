"""The interaction layers of a Mixture of Thoughts (arXiv 2509.21164), trained and served.

Between two stacks of layers every active expert's residual stream is projected into a shared
width, where the primary attends over all of them, itself included. What it finds goes back into
its own stream behind a gate that starts at zero; the peers' streams are adapted, behind gates of
their own. Rows are tokens here: a stream has summed up its past causally already. What else of the
past the primary attends to is a matter of the form (`attending.py`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from experts.fused.composites.mixture_of_thoughts.attending import (
    Attend,
    Form,
    positionwise,
    value_size,
)


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


def visible(values: Tensor) -> bool:
    """Whether a step may look at values to save work: a GPU would have to stop for it."""
    return values.device.type == "cpu"


def together(active: Tensor) -> Tensor:
    """Which rows have more than one active expert: [rows] bool, of `active` [rows, experts]."""
    return active.sum(1) > 1


class Seats(NamedTuple):
    """Who takes part in each row: the same for all interactions of a step."""

    numbers: tuple[int, ...]
    """The experts that are present; no other is active in any row."""
    here: Tensor
    """[rows, present] bool: who is active."""
    leads: Tensor
    """[rows, present] bool: who is the primary."""
    gated: Tensor
    """[rows, present] bool: who is active and not alone."""
    leader: int | None
    """The place, among those present, of the primary of all rows, where all present are active in
    every row; None where rows differ, or that was not looked up."""

    @classmethod
    def of(cls, active: Tensor, primary: Tensor, present: Sequence[int] | None = None) -> "Seats":
        """Make them from `active` [rows, experts] bool and `primary` [rows] numbers of experts.

        Whether all rows are alike is only looked up where values are `visible`.
        """
        everyone = torch.arange(active.shape[1], device=active.device)
        numbers = tuple(range(len(everyone)) if present is None else present)
        here = _of(numbers, active)
        leads = primary[:, None] == _of(numbers, everyone)
        leader = None
        if visible(active) and here.numel() and len(numbers) > 1 and bool(here.all()):
            first = int(primary[0])
            leader = numbers.index(first) if bool((primary == first).all()) else None
        return cls(numbers, here, leads, here & together(active)[:, None], leader)

    def spread(self, shares: Tensor, experts: int) -> Tensor:
        """The shares [rows, present] as [rows, experts], with 0 for absent experts."""
        if len(self.numbers) == experts:
            return shares
        attention = shares.new_zeros(len(shares), experts)
        attention[:, list(self.numbers)] = shares
        return attention


def _of(numbers: Sequence[int], values: Tensor) -> Tensor:
    """The last dimension of `values` at these numbers, which are in order and no two alike."""
    # A list as an index is a copy from the host, which a GPU waits for; there, all are present.
    return values if len(numbers) == values.shape[-1] else values[..., list(numbers)]


class _Own(NamedTuple):
    """The modules of one expert: finding them in a `ModuleList` takes as long as calling one."""

    norm: nn.Module
    down: nn.Module
    up: nn.Module
    up_norm: nn.Module


class Interaction(nn.Module):
    """One interaction layer over experts of any widths."""

    def __init__(
        self, widths: Sequence[int], shared: int, heads: int, form: Form = "positionwise"
    ) -> None:
        super().__init__()
        if shared % heads:
            raise ValueError(f"a shared width of {shared} cannot be split into {heads} heads")
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
        each = zip(self.norms, self.down, self.up, self.up_norms, strict=True)
        self._each = [_Own(*modules) for modules in each]
        self.primary_gate = nn.Parameter(torch.zeros(len(widths)))
        self.peer_gate = nn.Parameter(torch.zeros(len(widths)))

    def forward(
        self, streams: Sequence[Tensor], seats: Seats, attend: Attend = positionwise
    ) -> Exchange:
        """Let the primary of each row listen.

        Args:
            streams: residual streams of all experts, [rows, width of the expert] each. What an
                idle expert's holds has no effect.
            seats: who takes part.
            attend: the attention, of the layer's form; over the experts that are present.

        """
        numbers = seats.numbers
        own = [(self._each[n], streams[n]) for n in numbers]
        shared = torch.stack([each.down(each.norm(stream)) for each, stream in own], 1)
        # A served expert that was absent before has no past: its states may be NaN.
        shared = torch.where(seats.here[:, :, None], shared, 0.0)
        asks = (shared * seats.leads[:, :, None]).sum(1)
        heard, shares = self._listen(asks, shared, seats, attend)
        found = self.out_norm(self.out(heard) + asks)
        told = dict(zip(numbers, self._tell(seats, found, shared), strict=True))
        deltas = [
            told[number].to(stream.dtype) if number in told else torch.zeros_like(stream)
            for number, stream in enumerate(streams)
        ]
        return Exchange(deltas, seats.spread(shares, len(streams)))

    def _tell(self, seats: Seats, found: Tensor, shared: Tensor) -> Iterator[Tensor]:
        """What each present expert gets: the primary what was found, a peer its adaptation."""
        # Each row goes back once.
        back = torch.where(seats.leads[:, :, None], found[:, None], self.peer(shared))
        numbers = seats.numbers
        own_gates, peer_gates = _of(numbers, self.primary_gate), _of(numbers, self.peer_gate)
        gates = torch.where(seats.leads, own_gates, peer_gates) * seats.gated
        for place, number in enumerate(numbers):
            each = self._each[number]
            raised = each.up(back[:, place])
            normed = each.up_norm(raised)
            raised = torch.where(seats.leads[:, place, None], normed, raised)
            yield gates[:, place, None] * raised

    def adapt(self, number: int, stream: Tensor) -> Tensor:
        """What a peer adds to its own stream [..., width] where it stands apart from the rows."""
        shared = self.down[number](self.norms[number](stream))
        delta: Tensor = self.peer_gate[number] * self.up[number](self.peer(shared))
        return delta.to(stream.dtype)

    def _listen(
        self, asks: Tensor, shared: Tensor, seats: Seats, attend: Attend
    ) -> tuple[Tensor, Tensor]:
        query, key, value = (
            one.unflatten(-1, (self.heads, -1))
            for one in (self.query(asks), self.key(shared), self.value(shared))
        )
        heard, shares = attend(query, key, value, seats.here)
        return heard.flatten(1), shares
