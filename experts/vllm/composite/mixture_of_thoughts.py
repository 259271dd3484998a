"""Mixture of Thoughts in vLLM (arXiv 2509.21164): members in lock-step that hear each other."""

from typing import Any

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig

from experts.vllm.composite.combine import silence, tell_attention
from experts.vllm.composite.config import MixtureOfThoughts
from experts.vllm.composite.interaction import Interaction
from experts.vllm.composite.lockstep import stacks_of
from experts.vllm.composite.model import CompositeModel


class CoterieMixtureOfThoughts(CompositeModel):
    """All members see every token; a request's role says who is active and who speaks.

    The fused folder's own weights are `interactions.*`. How much the primary listened to whom
    leaves as log-probabilities of role tokens (`listening.py`).
    """

    composite: MixtureOfThoughts
    active: Tensor
    primary: Tensor

    def build(self, vllm_config: VllmConfig, prefix: str) -> None:
        mixture = self.composite
        members: dict[str, Any] = dict(zip(mixture.members, self.members.values(), strict=True))
        self._stacks = [stacks_of(name, one, mixture.stacks) for name, one in members.items()]
        sizes = [int(member.config.hidden_size) for member in members.values()]
        # In float32, as they were trained; they are small beside the members.
        self.interactions = nn.ModuleList(
            Interaction(sizes, mixture.shared_width, mixture.heads).float() for _ in mixture.places
        )
        self._widths = [*sizes, len(mixture.places) * len(sizes)]
        names = list(mixture.members)
        active = [[name in role.active for name in names] for role in mixture.roles]
        primary = [names.index(role.primary) for role in mixture.roles]
        self.register_buffer("active", torch.tensor(active), persistent=False)
        self.register_buffer("primary", torch.tensor(primary), persistent=False)

    @property
    def widths(self) -> list[int]:
        return self._widths

    def run(self, input_ids: Tensor, positions: Tensor, role: Tensor) -> list[Tensor]:
        active, primary = self.active[role], self.primary[role]
        for member in self._stacks:
            member.begin(input_ids)
        heard = []
        for stack in range(self.composite.stacks):
            for member in self._stacks:
                member.run(stack, positions)
            if stack in self.composite.places:
                interaction: Any = self.interactions[self.composite.places.index(stack)]
                streams = [member.stream.float() for member in self._stacks]
                exchange = interaction(streams, active, primary)
                for member, delta in zip(self._stacks, exchange.deltas, strict=True):
                    member.add(delta.to(member.stream.dtype))
                heard.append(exchange.attention)
        last = [member.end() for member in self._stacks]
        return [*last, torch.cat(heard, -1).to(last[0].dtype)]

    def mix(self, streams: list[Tensor], role: Tensor) -> Tensor | None:
        *last, attention = streams
        logits = self.logits_of(self.members.values(), last)
        if logits is None:
            return None
        primary = self.primary[role]
        rows = torch.arange(len(primary), device=primary.device)
        spoken = torch.stack(logits)[primary, rows]
        return tell_attention(silence(spoken, self.role_tokens), attention, self.role_tokens)
