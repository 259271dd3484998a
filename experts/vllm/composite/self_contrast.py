"""SCMoE in vLLM (arXiv 2405.14507): a mixture of experts contrasted with a weaker self."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from vllm.config import VllmConfig
from vllm.forward_context import get_forward_context, override_forward_context

from experts.vllm.composite.combine import SelfContrastMix, silence
from experts.vllm.composite.config import SelfContrast
from experts.vllm.composite.model import CompositeModel
from experts.vllm.composite.twin import split_streams


class CoterieSelfContrast(CompositeModel):
    """Strong and weak stream in one forward: twice the KV cache and rows, the weights once."""

    composite: SelfContrast
    ranks: Tensor
    rank_of_role: Tensor

    def build(self, vllm_config: VllmConfig, prefix: str) -> None:
        rows = vllm_config.scheduler_config.max_num_batched_tokens
        # At a fixed address, so that a captured graph reads the ranks of the step at hand.
        self.register_buffer("ranks", torch.zeros(rows, dtype=torch.long), persistent=False)
        ranks = torch.tensor([role.rank - 1 for role in self.composite.roles])
        self.register_buffer("rank_of_role", ranks, persistent=False)
        self.contrast = SelfContrastMix(self.composite.roles)
        split_streams(self._member, vllm_config, self.ranks)

    @property
    def _member(self) -> Any:
        return next(iter(self.members.values()))

    def _members_config(self, vllm_config: VllmConfig) -> VllmConfig:
        """With twice the tokens a step, in objects of its own; the table of layers is shared."""
        doubled = copy.copy(vllm_config)
        doubled.scheduler_config = copy.copy(vllm_config.scheduler_config)
        doubled.scheduler_config.max_num_batched_tokens *= 2
        doubled.compilation_config = copy.copy(vllm_config.compilation_config)
        return doubled

    @property
    def widths(self) -> list[int]:
        return [self._member.config.hidden_size] * 2

    def run(self, input_ids: Tensor, positions: Tensor, role: Tensor) -> list[Tensor]:
        rows = len(input_ids)
        self.ranks[:rows] = self.rank_of_role[role]
        context = get_forward_context()
        if context.is_padding is not None:
            context = replace(context, is_padding=context.is_padding.repeat(2))
        with override_forward_context(context):
            both = self._member(input_ids.repeat(2), positions.repeat(2))
        return [both[:rows], both[rows:]]

    def mix(self, streams: list[Tensor], role: Tensor) -> Tensor | None:
        logits = self.logits_of((self._member, self._member), streams)
        if logits is None:
            return None
        strong, weak = logits
        return silence(self.contrast(strong, weak, role), self.role_tokens)
