"""Mixture of Thoughts in vLLM (arXiv 2509.21164): members in lock-step that hear each other."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from vllm.config import VllmConfig
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.models.utils import maybe_prefix
from vllm.platforms import current_platform

from experts.errors import ConfigError
from experts.fused.composites.combine import silence
from experts.fused.composites.mixture_of_thoughts.alike import Alike
from experts.fused.composites.mixture_of_thoughts.attending import (
    Attend,
    Kernel,
    OverSequence,
    positionwise,
)
from experts.fused.composites.mixture_of_thoughts.interaction import (
    Exchange,
    Interaction,
    Seats,
    together,
    visible,
)
from experts.fused.composites.mixture_of_thoughts.lockstep import Absent, Stacks, stacks_of
from experts.fused.composites.mixture_of_thoughts.mix import primary_logits, tell_attention
from experts.fused.composites.model import CompositeModel
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts


class CoterieMixtureOfThoughts(CompositeModel):
    """All members see every token; a request's role says who is active and who speaks.

    The fused folder's own weights are `interactions.*`. How much the primary listened to whom
    leaves as log-probabilities of role tokens (`listening.py`).
    """

    composite: MixtureOfThoughts
    active: Tensor
    primary: Tensor
    dtype: torch.dtype

    def build(self, vllm_config: VllmConfig, prefix: str) -> None:
        mixture = self.composite
        if mixture.listeners:
            raise ConfigError(
                f"{', '.join(mixture.listeners)} have different tokenizers, which vLLM cannot"
                " serve together.",
                hint="Serve this expert with `type: torch`.",
            )
        members: dict[str, Any] = dict(zip(mixture.members, self.members.values(), strict=True))
        self._stacks = [stacks_of(name, one, mixture.stacks) for name, one in members.items()]
        sizes = [int(member.config.hidden_size) for member in members.values()]
        self._absent = [Absent(size, vllm_config.model_config.dtype) for size in sizes]
        # In float32, as they were trained; they are small beside the members.
        shape = (sizes, mixture.shared_width, mixture.heads, mixture.attention)
        self._layers = [Interaction(*shape).float() for _ in mixture.places]
        self.interactions = nn.ModuleList(self._layers)
        if mixture.attention == "sequence":
            self.past = nn.ModuleList(
                self._past(vllm_config, maybe_prefix(prefix, f"past.{number}"))
                for number in range(len(mixture.places))
            )
        self.dtype = vllm_config.model_config.dtype
        self._widths = [*sizes, len(mixture.places) * len(sizes)]
        names = list(mixture.members)
        active = [[name in role.active for name in names] for role in mixture.roles]
        primary = [names.index(role.primary) for role in mixture.roles]
        self.register_buffer("active", torch.tensor(active), persistent=False)
        self.register_buffer("primary", torch.tensor(primary), persistent=False)

    def _past(self, vllm_config: VllmConfig, prefix: str) -> Attention:
        """The KV cache of one interaction layer: all members' heads side by side."""
        mixture = self.composite
        heads = len(mixture.members) * mixture.heads
        size = mixture.shared_width // mixture.heads
        past = Attention(
            heads,
            size,
            scale=size**-0.5,
            num_kv_heads=heads,
            cache_config=vllm_config.cache_config,
            prefix=f"{prefix}.attn",
        )
        if current_platform.is_cpu():
            # Nothing is compiled there, and the detour for what is costs as much as the attention.
            past.use_direct_call = True
        return past

    def _attends(self, positions: Tensor) -> list[Attend]:
        """The attention of each interaction layer."""
        if self.composite.attention == "positionwise":
            return [positionwise] * len(self.composite.places)
        first = positions == 0
        begins = not visible(positions) or bool(first.any())
        return [
            OverSequence(_in_dtype(past, self.dtype), first if begins else None)
            for past in self.past
        ]

    def _ways(self, seats: Seats) -> Sequence[Callable[..., Exchange]]:
        """The layers as this step runs them."""
        return self._layers if seats.leader is None else self._alike

    @cached_property
    def _alike(self) -> list[Alike]:
        """The layers for steps whose rows are alike; made in the first one, with all weights."""
        return [Alike(layer) for layer in self._layers]

    @property
    def widths(self) -> list[int]:
        return self._widths

    def run(self, input_ids: Tensor, positions: Tensor, role: Tensor) -> list[Tensor]:
        active, primary = self.active[role], self.primary[role]
        members = self._present(active)
        for member in members:
            member.begin(input_ids)
        if not visible(active) or bool(together(active).any()):
            heard = self._interact(members, positions, active, primary)
        else:
            self._run(members, range(self.composite.stacks), positions)
            itself = one_hot(primary, active.shape[1]).float()
            heard = [itself] * len(self.composite.places)
        last = [member.end() for member in members]
        return [*last, torch.cat(heard, -1).to(last[0].dtype)]

    def _interact(
        self, members: list[Stacks], positions: Tensor, active: Tensor, primary: Tensor
    ) -> list[Tensor]:
        """Run all stacks; returns how much each member was heard, [rows, members] by place."""
        # The cache of the sequence form has a place for every member.
        whole = self.composite.attention == "sequence"
        here = [n for n, member in enumerate(members) if not isinstance(member, Absent)]
        seats = Seats.of(active, primary, None if whole else here)
        ways = self._ways(seats)
        layers = zip(self.composite.places, ways, self._attends(positions), strict=True)
        heard, done = [], 0
        for place, layer, attend in layers:
            self._run(members, range(done, place + 1), positions)
            done = place + 1
            exchange = layer([member.stream.float() for member in members], seats, attend)
            for member, delta in zip(members, exchange.deltas, strict=True):
                member.add(delta.to(member.stream.dtype))
            heard.append(exchange.attention)
        self._run(members, range(done, self.composite.stacks), positions)
        return heard

    def _run(self, members: list[Stacks], stacks: range, positions: Tensor) -> None:
        for stack in stacks:
            for member in members:
                member.run(stack, positions)

    def _present(self, active: Tensor) -> list[Stacks]:
        """The members, with a stand-in for each that no row of the step hears.

        Whom a request does not hear never has a past in it: its role is for life, and the first
        token keeps other roles from its cached blocks. On a GPU looking costs more than running.
        """
        if not visible(active):
            return self._stacks
        wanted = active.any(0).tolist()
        both = zip(wanted, self._stacks, self._absent, strict=True)
        return [member if here else absent for here, member, absent in both]

    def mix(self, streams: list[Tensor], role: Tensor) -> Tensor | None:
        *last, attention = streams
        logits = self.logits_of(self.members.values(), last)
        if logits is None:
            return None
        primary = self.primary[role]
        spoken = silence(primary_logits(logits, primary), self.role_tokens)
        return tell_attention(spoken, attention, self.role_tokens)


def _in_dtype(past: Any, dtype: torch.dtype) -> Kernel:
    """The kernel as it is called with float32: the cache holds numbers of the members' type."""

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        found: Tensor = past(*(one.to(dtype).contiguous() for one in (query, key, value)))
        return found

    return attend
