"""FusionRoute in vLLM (arXiv 2601.05106 v5, section 2): a router LM picks an expert per token."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig
from vllm.model_executor.models.utils import maybe_prefix

from experts.fused.composites.combine import silence
from experts.fused.composites.fusion_route.mix import RouteMix, name_speaker
from experts.fused.composites.members import build_language_model
from experts.fused.composites.model import CompositeModel
from experts.fused.folder.methods.fusion_route import FusionRoute


class CoterieFusionRoute(CompositeModel):
    """Router and all experts see every token, so that any expert can speak next.

    The fused folder's own weights are `router.*`, by the names of the router's HF checkpoint, and
    `route_head.weight` [experts, width of the router].
    """

    composite: FusionRoute

    def build(self, vllm_config: VllmConfig, prefix: str) -> None:
        self.router = build_language_model(
            vllm_config, self.composite.router, maybe_prefix(prefix, "router")
        )
        # In float32: a tie between two experts should be the weights' doing, not the format's.
        self.route_head = nn.Linear(
            self.router.config.hidden_size, len(self.members), bias=False, dtype=torch.float32
        )
        self.route = RouteMix(self.composite)

    @property
    def widths(self) -> list[int]:
        return [model.config.hidden_size for model in self._models]

    @property
    def _models(self) -> tuple[Any, ...]:
        return (self.router, *self.members.values())

    def run(self, input_ids: Tensor, positions: Tensor, role: Tensor) -> Iterator[Tensor]:
        return (model(input_ids, positions) for model in self._models)

    def mix(self, streams: list[Tensor], role: Tensor) -> Tensor | None:
        logits = self.logits_of(self._models, streams)
        if logits is None:
            return None
        pick = self.route.pick(self.route_head(streams[0].float()), role)
        mixed = silence(self.route(logits[0], logits[1:], pick, role), self.role_tokens)
        return name_speaker(mixed, pick, self.composite.role_token_ids[0])
