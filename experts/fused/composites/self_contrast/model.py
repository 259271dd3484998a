"""SCMoE in vLLM (arXiv 2405.14507): a mixture of experts contrasted with a weaker self."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from vllm.config import VllmConfig
from vllm.forward_context import get_forward_context, override_forward_context

from experts.fused.composites.combine import silence
from experts.fused.composites.fixed import Fixed
from experts.fused.composites.model import CompositeModel
from experts.fused.composites.self_contrast.mix import SelfContrastMix, WeakChoice
from experts.fused.composites.self_contrast.twin import split_streams
from experts.fused.folder.methods.self_contrast import SelfContrast


class CoterieSelfContrast(CompositeModel):
    """Strong and weak stream in one forward: twice the KV cache and rows, the weights once."""

    copies = 2
    composite: SelfContrast

    def build(self, vllm_config: VllmConfig, prefix: str) -> None:
        member: Any = next(iter(self.members.values()))
        self._member = [member]  # In a list: it is a submodule already.
        self._widths = [member.config.hidden_size] * 2
        roles = self.composite.roles
        rows = vllm_config.scheduler_config.max_num_batched_tokens
        chosen = member.config.num_experts_per_tok
        self.weak_choice = WeakChoice([role.rank for role in roles], chosen, rows)
        self.positions = Fixed(2 * rows, torch.int64)
        self.padding = Fixed(2 * rows, torch.bool)
        self.contrast = SelfContrastMix(roles)
        split_streams(member, vllm_config, self.weak_choice)

    def _members_config(self, vllm_config: VllmConfig) -> VllmConfig:
        """With twice the tokens a step, in objects of its own; the table of layers is shared."""
        doubled = copy.copy(vllm_config)
        scheduler = doubled.scheduler_config = copy.copy(vllm_config.scheduler_config)
        scheduler.max_num_batched_tokens *= 2
        # What is compiled is chosen by the number of rows; it ends at the most that there can be.
        # Graphs need nothing: they are found by the step's tokens, and each has twice the rows.
        compilation = doubled.compilation_config = copy.copy(vllm_config.compilation_config)
        most = vllm_config.scheduler_config.max_num_batched_tokens
        ends = compilation.compile_ranges_endpoints or []
        compilation.compile_ranges_endpoints = [2 * end if end == most else end for end in ends]
        sizes = compilation.compile_sizes or []
        compilation.compile_sizes = [2 * size for size in sizes if isinstance(size, int)]
        return doubled

    @property
    def widths(self) -> list[int]:
        return self._widths

    def run(self, input_ids: Tensor, positions: Tensor, role: Tensor) -> list[Tensor]:
        rows = len(positions)
        self.weak_choice.tell(role)
        context = get_forward_context()
        if context.is_padding is not None:
            padding = self.padding.put(context.is_padding[:rows], 2)
            context = replace(context, is_padding=padding)
        with override_forward_context(context):
            both = self._member[0](input_ids, self.positions.put(positions, 2))
        return [both[:rows], both[rows:]]

    def mix(self, streams: list[Tensor], role: Tensor) -> Tensor | None:
        # One product with the vocabulary for both streams.
        logits = self.logits_of(self._member, [torch.cat(streams)])
        if logits is None:
            return None
        strong, weak = logits[0].tensor_split(2)
        return silence(self.contrast(strong, weak, role), self.role_tokens)
