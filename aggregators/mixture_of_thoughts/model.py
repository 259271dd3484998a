"""A Mixture of Thoughts in plain torch: what is trained, and what the served one must match.

arXiv 2509.21164, with what its released code lacks: states are causal, and generation uses the
interaction layers. To members that share the speakers' tokenizer a position is the same token;
the others are heard at their last token that ends no later, by its characters.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from aggregators.mixture_of_thoughts.router import Choice, QueryRouter
from experts.torch_engine.stacks import StackedModel
from experts.vllm.composite.attending import Attend, Form, OverSequence, causal, positionwise
from experts.vllm.composite.interaction import Interaction


class Read(NamedTuple):
    """B texts as all members read them."""

    tokens: tuple[Tensor, ...]
    """By tokenizer [B, T of that tokenizer], padded on the right; the speakers' is the first."""
    aligned: tuple[Tensor, ...] = ()
    """Of each further tokenizer [B, T of the first]: which of its positions is heard at each."""


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
        tokenizers: Sequence[int] | None = None,
    ) -> None:
        """`places` are the stacks after which experts interact; `dimension` the embedding's.

        `tokenizers` number each member's; by default all have the first, 0, as every primary must.
        """
        super().__init__()
        self.names = tuple(members)
        self.places = places
        self._stacks = stacks
        self._heads = heads * len(members)
        self._form = form
        self.tokenizers = tuple(tokenizers or [0] * len(members))
        self._members = [StackedModel(name, model, stacks) for name, model in members.items()]
        widths = [member.width for member in self._members]
        self.interactions = nn.ModuleList(Interaction(widths, shared, heads, form) for _ in places)
        self.router = QueryRouter(dimension, len(members), dropout)

    @property
    def speakers(self) -> Tensor:
        """[M] bool: who may be a primary."""
        return torch.tensor([number == 0 for number in self.tokenizers])

    def forward(self, read: Read, positions: Tensor, choice: Choice, learn: bool) -> Heard:
        """Predict the next token at N positions.

        Args:
            read: the texts.
            positions: [B, T - 1] bool, N of them true; T is of the speakers' tokens.
            choice: who takes part in each row.
            learn: whether the router is to get gradients; it costs the peers' predictions.
        """
        rows = [choice.active[:, m].nonzero()[:, 0] for m in range(len(self._members))]
        streams = [
            member.embed(read.tokens[number][row])
            for member, number, row in zip(self._members, self.tokenizers, rows, strict=True)
        ]
        heard = []
        for stack in range(self._stacks):
            streams = [
                member.run(stack, stream) if len(stream) else stream
                for member, stream in zip(self._members, streams, strict=True)
            ]
            if stack in self.places:
                interaction = self.interactions[self.places.index(stack)]
                streams, shares = self._interact(interaction, streams, rows, read, choice, learn)
                heard.append(shares)
        log_probs = self._speak(streams, rows, positions, choice, learn)
        return Heard(log_probs, torch.stack(heard) if heard else torch.zeros(0, len(rows)))

    def _interact(
        self,
        interaction: Any,
        streams: list[Tensor],
        rows: list[Tensor],
        read: Read,
        choice: Choice,
        learn: bool,
    ) -> tuple[list[Tensor], Tensor]:
        batch, length = read.tokens[0].shape
        whole = [
            stream.new_zeros(batch, *stream.shape[1:]).index_copy(0, row, stream)
            for stream, row in zip(streams, rows, strict=True)
        ]
        aligned = [
            one if number == 0 else _at(one, read.aligned[number - 1])
            for one, number in zip(whole, self.tokenizers, strict=True)
        ]
        exchange = interaction(
            [one.flatten(0, 1) for one in aligned],
            choice.active.repeat_interleave(length, 0),
            choice.primary.repeat_interleave(length, 0),
            self._attend(read.tokens[0]),
            choice.weights.repeat_interleave(length, 0) if learn else None,
        )
        changed = [
            stream
            + (
                delta.view(batch, length, -1)[row]
                if self.tokenizers[number] == 0
                else interaction.adapt(number, stream)
            )
            for number, (stream, delta, row) in enumerate(
                zip(streams, exchange.deltas, rows, strict=True)
            )
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
            if not len(wanted) or self.tokenizers[index]:
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


def _at(whole: Tensor, places: Tensor) -> Tensor:
    """[B, T, width] of [B, S, width] at the places [B, T]."""
    return whole.gather(1, places[:, :, None].expand(-1, -1, whole.shape[-1]))
