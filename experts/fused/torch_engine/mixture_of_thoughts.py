"""A Mixture of Thoughts token by token, for members with different tokenizers.

The model is that of the training (`aggregators/mixture_of_thoughts/model.py`): peers first, each
over its own tokens, then the primary, which hears them at the character where it is. What was read
once is kept: keys and values of every stack, the peers' streams where they are heard.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from experts.errors import ConfigError
from experts.fused.composites.mixture_of_thoughts.attending import (
    Attend,
    OverSequence,
    positionwise,
)
from experts.fused.composites.mixture_of_thoughts.interaction import Interaction, Seats
from experts.fused.folder.folder_config import read
from experts.fused.folder.member import member_folder
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts, ThoughtsRole
from experts.fused.folder.torch_members import load_members
from experts.fused.torch_engine.stacks import Past, StackedModel
from experts.fused.training.models import number_tokenizers
from experts.fused.training.reading import (
    Pieces,
    Reading,
    align,
    read_piece,
    read_prompt,
    read_text,
)

_PREFIX = "interactions."
Prompt = Sequence[dict[str, str]] | str
"""Messages, or a text that is to be continued."""


class ThoughtsModel:
    """The members and interaction layers of a fused folder."""

    def __init__(self, folder: Path) -> None:
        """Load a folder. Raises ConfigError for one that holds no Mixture of Thoughts."""
        composite = read(folder)
        if not isinstance(composite, MixtureOfThoughts):
            raise ConfigError(
                f"{folder} holds a {composite.architecture}, not a Mixture of Thoughts."
            )
        self.composite = composite
        models = load_members(composite, folder)
        self.members = {
            name: StackedModel(name, model, composite.stacks) for name, model in models.items()
        }
        tokenizers = [
            AutoTokenizer.from_pretrained(member_folder(folder, member), local_files_only=True)
            for member in composite.members.values()
        ]
        self.numbers = number_tokenizers(tokenizers)
        self.tokenizers: list[PreTrainedTokenizerBase] = [
            tokenizers[self.numbers.index(number)] for number in range(max(self.numbers) + 1)
        ]
        self.interactions = self._load_interactions(folder)
        self.context = min(int(m.model.config.max_position_embeddings) for m in self._stacked())

    def _stacked(self) -> list[StackedModel]:
        return list(self.members.values())

    def _load_interactions(self, folder: Path) -> nn.ModuleList:
        mixture = self.composite
        widths = [member.width for member in self._stacked()]
        layers = nn.ModuleList(
            Interaction(widths, mixture.shared_width, mixture.heads, mixture.attention)
            for _ in mixture.places
        )
        weights = load_file(folder / "model.safetensors")
        layers.load_state_dict(
            {name.removeprefix(_PREFIX): tensor for name, tensor in weights.items()}
        )
        return layers.eval()

    def role(self, name: str | None) -> ThoughtsRole:
        """A role by its name, or the default. Raises KeyError."""
        roles = self.composite.roles
        return roles[0 if name is None else self.composite.role(name)]


class Session:
    """One conversation and the answer to it, in one role."""

    def __init__(self, model: ThoughtsModel, role: ThoughtsRole, prompt: Prompt) -> None:
        """Read the prompt; computes nothing. Raises ConfigError as `read_prompt` does."""
        self._model = model
        names = list(model.composite.members)
        self._primary = names.index(role.primary)
        self._active = [names.index(name) for name in names if name in role.active]
        self._peers = [number for number in self._active if number != self._primary]
        self._members = list(model.members.values())
        used = {model.numbers[number] for number in self._active}
        self._unread = {number: _read(model.tokenizers[number], prompt) for number in used}
        self.prompt = self._unread[0].tokens
        self._ends: dict[int, list[int]] = {number: [] for number in used}
        self._pieces = Pieces(model.tokenizers[0])
        self._pasts = {number: Past(self._members[number]) for number in self._active}
        self._heard: dict[tuple[int, int], Tensor] = {}
        self._kernels = [_Growing() for _ in model.composite.places]
        self.attention: list[list[float]] = []
        """[interactions][members] shares at the last token that was read."""

    def longest(self) -> int:
        """The tokens of the member with the longest text, including what it has not read yet."""
        return max(len(read) + len(self._unread[n].tokens) for n, read in self._ends.items())

    def say(self, token: int) -> str:
        """Add a token to the answer; returns the text that it completes."""
        before = self._unread_end()
        piece = self._pieces.add(token)
        said = Reading((token,), (before + len(piece),))
        for number in self._unread:
            heard = said
            if number:
                heard = read_piece(self._model.tokenizers[number], piece, before)
            self._unread[number] += heard
        return piece

    def _unread_end(self) -> int:
        unread, read_ends = self._unread[0].ends, self._ends[0]
        return unread[-1] if unread else read_ends[-1]

    @torch.no_grad()
    def predict(self) -> Tensor:
        """Read what is new; returns the log-probabilities of the next token [vocabulary]."""
        new = self._unread
        for number, reading in new.items():
            self._ends[number] += reading.ends
        self._unread = {number: Reading((), ()) for number in new}
        for peer in self._peers:
            self._read_peer(peer, new[self._model.numbers[peer]])
        logits = self._read_primary(new[0])
        logits[list(self._model.composite.role_token_ids)] = -torch.inf
        return logits

    def _read_peer(self, peer: int, new: Reading) -> None:
        if not new.tokens:
            return
        member, past = self._members[peer], self._pasts[peer]
        stream = member.embed(torch.tensor([new.tokens]))
        for stack in range(self._model.composite.stacks):
            stream = member.run_after(stack, stream, past)
            if stack in self._model.composite.places:
                place = self._model.composite.places.index(stack)
                known = self._heard.get((peer, place))
                heard = stream[0] if known is None else torch.cat((known, stream[0]))
                self._heard[peer, place] = heard
                layer: Any = self._model.interactions[place]
                stream = stream + layer.adapt(peer, stream)
        past.length += len(new.tokens)

    def _read_primary(self, new: Reading) -> Tensor:
        member, past = self._members[self._primary], self._pasts[self._primary]
        stream = member.embed(torch.tensor([new.tokens]))
        rows = len(new.tokens)
        first = torch.arange(past.length, past.length + rows) == 0
        active = torch.zeros(rows, len(self._members), dtype=torch.bool)
        active[:, self._active] = True
        seats = Seats.of(active, torch.full((rows,), self._primary))
        self.attention = []
        for stack in range(self._model.composite.stacks):
            stream = member.run_after(stack, stream, past)
            if stack in self._model.composite.places:
                place = self._model.composite.places.index(stack)
                streams = self._streams(place, stream[0], new.ends)
                layer: Any = self._model.interactions[place]
                exchange = layer(streams, seats, self._attend(place, first))
                stream = stream + exchange.deltas[self._primary]
                self.attention.append(exchange.attention[-1].tolist())
        past.length += rows
        return member.log_probs(stream[0, -1:])[0]

    def _streams(self, place: int, own: Tensor, ends: Sequence[int]) -> list[Tensor]:
        """The streams of all members at the primary's new positions; zeros for idle ones."""
        streams = []
        for number, member in enumerate(self._members):
            if number == self._primary:
                streams.append(own)
            elif number not in self._active:
                streams.append(own.new_zeros(len(own), member.width))
            else:
                heard = self._heard[number, place]
                group = self._model.numbers[number]
                if group == 0:
                    streams.append(heard[-len(own) :])
                else:
                    streams.append(heard[align(ends, self._ends[group])])
        return streams

    def _attend(self, place: int, first: Tensor) -> Attend:
        if self._model.composite.attention == "positionwise":
            return positionwise
        return OverSequence(self._heads(place), first)

    def _heads(self, place: int) -> Any:
        heads = len(self._members) * self._model.composite.heads
        kernel = self._kernels[place]
        return lambda query, key, value: kernel(heads, query, key, value)


def _read(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> Reading:
    if isinstance(prompt, str):
        return read_text(tokenizer, prompt)
    return read_prompt(tokenizer, prompt)


class _Growing:
    """Causal attention of the newest rows over all rows so far."""

    def __init__(self) -> None:
        self._key: Tensor | None = None
        self._value: Tensor | None = None

    def __call__(self, heads: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (
            one.view(len(one), heads, one.shape[-1] // heads).transpose(0, 1)
            for one in (query, key, value)
        )
        if self._key is not None and self._value is not None:
            k, v = torch.cat((self._key, k), 1), torch.cat((self._value, v), 1)
        self._key, self._value = k, v
        asked, known = q.shape[1], k.shape[1]
        seen = torch.ones(asked, known, dtype=torch.bool).tril(known - asked)
        found = scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=seen)[0]
        return found.transpose(0, 1).flatten(1)
