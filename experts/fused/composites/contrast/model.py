"""Contrastive decoding and proxy tuning in vLLM (arXiv 2210.15097, arXiv 2401.08565)."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor
from vllm.config import VllmConfig

from experts.fused.composites.combine import silence
from experts.fused.composites.contrast.mix import ContrastMix
from experts.fused.composites.model import CompositeModel
from experts.fused.folder.methods.contrast import Contrast


class CoterieContrast(CompositeModel):
    """Adds the difference of two members' logits to those of a member. No weights of its own."""

    composite: Contrast

    def build(self, vllm_config: VllmConfig, prefix: str) -> None:
        self.contrast = ContrastMix(self.composite.roles, tuple(self.composite.members))

    @property
    def widths(self) -> list[int]:
        members: Iterable[Any] = self.members.values()
        return [member.config.hidden_size for member in members]

    def run(self, input_ids: Tensor, positions: Tensor, role: Tensor) -> Iterator[Tensor]:
        return (member(input_ids, positions) for member in self.members.values())

    def mix(self, streams: list[Tensor], role: Tensor) -> Tensor | None:
        logits = self.logits_of(self.members.values(), streams)
        if logits is None:
            return None
        return silence(self.contrast(logits, role), self.role_tokens)
