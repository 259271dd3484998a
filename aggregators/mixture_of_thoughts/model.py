"""A Mixture of Thoughts in plain torch: what is trained, and what the served one must match.

arXiv 2509.21164, with what its released code lacks: states are causal, and generation uses the
interaction layers. Members share a tokenizer, so a position is the same token to all of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from aggregators.mixture_of_thoughts.router import Choice, QueryRouter
from aggregators.mixture_of_thoughts.stacks import StackedModel
from experts.vllm.composite.attending import Attend, Form, OverSequence, causal, positionwise
from experts.vllm.composite.interaction import Interaction


class Heard(NamedTuple):
    """What a forward pass predicts."""

    log_probs: Tensor
    """[N, V] of the primaries, in nats, with the router's gradient where it is learned."""
    attention: Tensor
    """[interactions, experts] shares: how much the primaries listened to each expert."""


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
    ) -> None:
        """`places` are the stacks after which experts interact; `dimension` the embedding's."""
        super().__init__()
        self.names = tuple(members)
        self.places = places
        self._stacks = stacks
        self._heads = heads * len(members)
        self._form = form
        self._members = [StackedModel(name, model, stacks) for name, model in members.items()]
        widths = [member.width for member in self._members]
        self.interactions = nn.ModuleList(Interaction(widths, shared, heads, form) for _ in places)
        self.router = QueryRouter(dimension, len(members), dropout)

    def forward(self, tokens: Tensor, positions: Tensor, choice: Choice, learn: bool) -> Heard:
        """Predict the next token at N positions.

        Args:
            tokens: [B, T], padded on the right.
            positions: [B, T - 1] bool, N of them true.
            choice: who takes part in each row.
            learn: whether the router is to get gradients; it costs the peers' predictions.
        """
        rows = [choice.active[:, m].nonzero()[:, 0] for m in range(len(self._members))]
        streams = [
            member.embed(tokens[row]) for member, row in zip(self._members, rows, strict=True)
        ]
        heard = []
        for stack in range(self._stacks):
            streams = [
                member.run(stack, stream) if len(stream) else stream
                for member, stream in zip(self._members, streams, strict=True)
            ]
            if stack in self.places:
                interaction = self.interactions[self.places.index(stack)]
                streams, shares = self._interact(interaction, streams, rows, tokens, choice, learn)
                heard.append(shares)
        log_probs = self._speak(streams, rows, positions, choice, learn)
        return Heard(log_probs, torch.stack(heard) if heard else torch.zeros(0, len(rows)))

    def _interact(
        self,
        interaction: nn.Module,
        streams: list[Tensor],
        rows: list[Tensor],
        tokens: Tensor,
        choice: Choice,
        learn: bool,
    ) -> tuple[list[Tensor], Tensor]:
        batch, length = tokens.shape
        whole = [
            stream.new_zeros(batch, length, stream.shape[-1]).index_copy(0, row, stream)
            for stream, row in zip(streams, rows, strict=True)
        ]
        exchange = interaction(
            [one.flatten(0, 1) for one in whole],
            choice.active.repeat_interleave(length, 0),
            choice.primary.repeat_interleave(length, 0),
            self._attend(tokens),
            choice.weights.repeat_interleave(length, 0) if learn else None,
        )
        changed = [
            stream + delta.view(batch, length, -1)[row]
            for stream, delta, row in zip(streams, exchange.deltas, rows, strict=True)
        ]
        return changed, exchange.attention.detach().mean(0)

    def _attend(self, tokens: Tensor) -> Attend:
        if self._form == "positionwise":
            return positionwise
        first = torch.zeros_like(tokens, dtype=torch.bool)
        first[:, 0] = True
        return OverSequence(causal(len(tokens), self._heads), first.flatten())

    def _speak(
        self,
        streams: list[Tensor],
        rows: list[Tensor],
        positions: Tensor,
        choice: Choice,
        learn: bool,
    ) -> Tensor:
        """The primaries' predictions; with `learn` the peers' take part with a weight of 0."""
        count = int(positions.sum())
        # Where each row's positions begin among all N.
        number = torch.full(positions.shape, -1, dtype=torch.long)
        number[positions] = torch.arange(count)
        result: Tensor | None = None
        for index, (member, stream, row) in enumerate(
            zip(self._members, streams, rows, strict=True)
        ):
            speaking = choice.primary[row] == index
            wanted = row if learn else row[speaking]
            if not len(wanted):
                continue
            kept = stream if learn else stream[speaking]
            here = positions[wanted]
            predicted = member.log_probs(kept[:, :-1][here])
            if learn:
                weight = choice.speaks[wanted, index][:, None].expand(here.shape)[here]
                predicted = predicted * weight[:, None]
            if result is None:
                result = predicted.new_zeros(count, predicted.shape[-1])
            result = result.index_add(0, number[wanted][here], predicted)
        assert result is not None
        return result
