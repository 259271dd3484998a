"""A Mixture of Thoughts in plain torch: for training, and the reference for the served model.

arXiv 2509.21164, with what its released code lacks: states are causal, and generation uses the
interaction layers. For members that share the speakers' tokenizer, a position is the same token;
the others are attended to at their last token that ends no later, counted in characters.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from aggregators.mixture_of_thoughts.exchange import exchange
from aggregators.mixture_of_thoughts.query_router import Choice, QueryRouter
from experts.fused.composites.mixture_of_thoughts.attending import (
    Attend,
    Form,
    OverSequence,
    causal,
    positionwise,
)
from experts.fused.composites.mixture_of_thoughts.interaction import Interaction
from experts.fused.torch_engine.stacks import StackedModel


class Read(NamedTuple):
    """B texts in the tokens of every tokenizer."""

    tokens: tuple[Tensor, ...]
    """For each tokenizer [B, its T], padded on the right; the speakers' comes first."""
    aligned: tuple[Tensor, ...] = ()
    """For each further tokenizer [B, T of the first]: which of its positions is attended to."""


class Heard(NamedTuple):
    """The result of a forward pass."""

    log_probs: Tensor
    """[N, V] log-probabilities of the primaries, in nats."""
    attention: Tensor
    """[interactions, experts] shares: how much the primaries attended to each expert."""


class MixtureOfThoughts(nn.Module):
    """Frozen experts in lock-step; the router and the interaction layers are its parameters."""

    def __init__(
        self,
        members: Mapping[str, PreTrainedModel],
        stacks: int,
        places: tuple[int, ...],
        shared: int,
        heads: int,
        dimension: int,
        dropout: float = 0.1,
        form: Form = "positionwise",
        tokenizers: Sequence[int] | None = None,
    ) -> None:
        """`places` are the stacks after which experts interact; `dimension` the embedding's.

        `tokenizers` number each member's; by default all have the first, 0, as every primary must.
        """
        super().__init__()
        self.names = tuple(members)
        self.places = places
        self._stacks = stacks
        self._joint = max(places) + 1 if places else 0
        self._heads = heads
        self._form = form
        self.tokenizers = tuple(tokenizers or [0] * len(members))
        self._members = [StackedModel(name, model, stacks) for name, model in members.items()]
        widths = [member.width for member in self._members]
        self.interactions = nn.ModuleList(Interaction(widths, shared, heads, form) for _ in places)
        self.router = QueryRouter(dimension, len(members), dropout)

    @property
    def speakers(self) -> Tensor:
        """[M] bool: which members may be the primary."""
        return torch.tensor([number == 0 for number in self.tokenizers])

    def forward(self, read: Read, positions: Tensor, choice: Choice) -> Heard:
        """Predict the next token at N positions.

        Args:
            read: the texts.
            positions: [B, T - 1] bool, N of them true; T is of the speakers' tokens.
            choice: the active experts of each row.

        """
        rows = [choice.active[:, m].nonzero()[:, 0] for m in range(len(self._members))]
        streams = [
            member.embed(read.tokens[number][row])
            for member, number, row in zip(self._members, self.tokenizers, rows, strict=True)
        ]
        heard = []
        for stack in range(self._joint):
            streams = [
                member.run(stack, stream) if len(stream) else stream
                for member, stream in zip(self._members, streams, strict=True)
            ]
            if stack in self.places:
                interaction = self.interactions[self.places.index(stack)]
                streams, shares = self._interact(interaction, streams, rows, read, choice)
                heard.append(shares)
        attention = torch.stack(heard) if heard else torch.zeros(0, len(rows))
        # Which of the N each position is.
        number = torch.zeros(positions.shape, dtype=torch.long)
        number[positions] = torch.arange(int(positions.sum()))
        leads = [choice.primary[row] == m for m, row in enumerate(rows)]
        spoken = self._end(streams, rows, leads, number, positions)
        log_probs = torch.cat([one for _, one in spoken.values()])
        log_probs = log_probs[torch.cat([places for places, _ in spoken.values()]).argsort()]
        return Heard(log_probs, attention)

    def _interact(
        self,
        interaction: Any,
        streams: list[Tensor],
        rows: list[Tensor],
        read: Read,
        choice: Choice,
    ) -> tuple[list[Tensor], Tensor]:
        aligned = [
            one if number == 0 else _at(one, read.aligned[number - 1][row])
            for one, number, row in zip(streams, self.tokenizers, rows, strict=True)
        ]
        attend = self._attend(read.tokens[0], choice)
        deltas, shares = exchange(interaction, aligned, rows, choice, attend)
        changed = [
            stream + (delta if self.tokenizers[number] == 0 else interaction.adapt(number, stream))
            for number, (stream, delta) in enumerate(zip(streams, deltas, strict=True))
        ]
        return changed, shares.mean((0, 1))

    def _attend(self, tokens: Tensor, choice: Choice) -> Attend:
        if self._form == "positionwise":
            return positionwise
        first = torch.zeros_like(tokens, dtype=torch.bool)
        first[:, 0] = True
        heads = self._heads * int(choice.active.sum(1).max())
        return OverSequence(causal(len(tokens), heads), first.flatten())

    def _end(
        self,
        streams: list[Tensor],
        rows: list[Tensor],
        picked: list[Tensor],
        number: Tensor,
        positions: Tensor,
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """Run the stacks after the last interaction for the `picked` rows of each member.

        Returns, by member, which of the N positions are its own, and its predictions [n, V].
        """
        found = {}
        for m, (member, stream, row, pick) in enumerate(
            zip(self._members, streams, rows, picked, strict=True)
        ):
            if self.tokenizers[m] or not pick.any():
                continue
            kept, here = stream[pick], positions[row[pick]]
            for stack in range(self._joint, self._stacks):
                kept = member.run(stack, kept)
            found[m] = number[row[pick]][here], member.log_probs(kept[:, :-1][here])
        return found


def _at(whole: Tensor, places: Tensor) -> Tensor:
    """[B, T, width] of [B, S, width] at the places [B, T]."""
    return whole.gather(1, places[:, :, None].expand(-1, -1, whole.shape[-1]))
