"""What all composites share: members, roles, and the way from hidden states to logits."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig
from vllm.forward_context import get_forward_context
from vllm.model_executor.models.utils import AutoWeightsLoader

from experts.fused.composites.fixed import Fixed
from experts.fused.composites.members import (
    blocks_of,
    build_members,
    first_layer,
    refuse_unsupported,
    weight_sources,
)
from experts.fused.composites.request_roles import RoleMemory
from experts.fused.folder.composite import Composite


class CompositeModel(nn.Module):
    """Several language models that share one request, one scheduler slot and one sampled token.

    `forward` gives vLLM one wide row per token: the hidden states of every stream side by side,
    and the request's role as the last number. vLLM picks the rows that it wants logits for and
    hands them to `compute_logits`, which takes them apart again.
    """

    copies: ClassVar[int] = 1
    """How many rows of its members a token is."""
    role_tokens: Tensor
    secondary_weights: Sequence[Any]
    """Further checkpoints that vLLM's loader reads."""

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        refuse_unsupported(vllm_config)
        self.config = vllm_config.model_config.hf_config
        self.composite: Composite = self.config.composite
        self.members = build_members(self._members_config(vllm_config), self.composite, prefix)
        self.secondary_weights = weight_sources(
            self.composite, Path(vllm_config.model_config.model)
        )
        tokens = self.composite.role_token_ids
        self.register_buffer("role_tokens", torch.tensor(tokens), persistent=False)
        self.memory = RoleMemory(tokens, self.composite.bos_token_id, self.composite.vocab_size)
        rows = self.copies * vllm_config.scheduler_config.max_num_batched_tokens
        self.seen = Fixed(rows, torch.int32)
        self.build(vllm_config, prefix)
        self._first_layer = [first_layer(vllm_config)]  # In a list: it is no submodule of ours.

    @abstractmethod
    def build(self, vllm_config: VllmConfig, prefix: str) -> None:
        """Make what the composite has besides its members, which are there by now."""

    def _members_config(self, vllm_config: VllmConfig) -> VllmConfig:
        """The engine's configuration as the members see it."""
        return vllm_config

    @property
    @abstractmethod
    def widths(self) -> list[int]:
        """Hidden sizes of the streams that `run` returns."""

    @cached_property
    def _width(self) -> int:
        return sum(self.widths) + 1

    @abstractmethod
    def run(self, input_ids: Tensor, positions: Tensor, role: Tensor) -> Iterable[Tensor]:
        """The hidden states of every stream, [rows, width] each; `role` is [rows].

        `input_ids` has `copies` times the rows. One stream is copied before the next is asked for:
        the graphs of all compiled members share their memory, so that one member's output may be
        gone when the next has run.
        """

    @abstractmethod
    def mix(self, streams: list[Tensor], role: Tensor) -> Tensor | None:
        """The combined logits [rows, vocabulary] in float32, minus infinity at the role tokens.

        None on a rank of a tensor-parallel group that gets no logits.
        """

    def embed_input_ids(self, input_ids: Tensor) -> Tensor:
        """Embed tokens as the first member does; part of vLLM's model interface."""
        first: Any = next(iter(self.members.values()))
        embedded: Tensor = first.embed_input_ids(input_ids)
        return embedded

    def forward(
        self,
        input_ids: Tensor,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """The hidden states of all streams and the role: [rows, sum of widths + 1]."""
        role = self._roles(input_ids, positions)
        seen = self.seen.put(self.memory.seen(input_ids, positions), self.copies)
        wide, done = None, 0
        for stream in self.run(seen, positions, role):
            if wide is None:
                wide = stream.new_empty(len(role), self._width)
            begin, done = done, done + stream.shape[-1]
            wide[:, begin:done] = stream
        assert wide is not None
        wide[:, done] = role
        return wide

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        """The logits [rows, vocabulary] of some rows of what `forward` returned."""
        *streams, role = torch.split(hidden_states, [*self.widths, 1], -1)
        return self.mix([stream.contiguous() for stream in streams], role[:, 0].long())

    def logits_of(
        self, models: Iterable[Any], hidden_states: Iterable[Tensor]
    ) -> list[Tensor] | None:
        """Every model's logits [rows, vocabulary] in float32, without its vocabulary's padding.

        None on a rank of a tensor-parallel group that gets no logits.
        """
        logits = []
        for model, hidden in zip(models, hidden_states, strict=True):
            found = model.compute_logits(hidden)
            if found is None:
                return None
            logits.append(found[:, : self.composite.vocab_size].float())
        return logits

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Load the fused folder's own weights and, under `members.`, those of every member."""
        loaded: set[str] = AutoWeightsLoader(self).load_weights(weights)
        return loaded

    def _roles(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        layer = self._first_layer[0]
        # At the first run after the KV cache is there, which is before any graph is captured.
        self.memory.reserve(blocks_of(layer))
        metadata = get_forward_context().attn_metadata
        if not metadata:  # A run that measures memory, or warms up: there are no requests.
            return torch.zeros_like(positions, dtype=torch.long)
        found = metadata[layer.layer_name]
        try:
            table, starts = found.block_table, found.query_start_loc
        except AttributeError:
            raise RuntimeError(
                f"{type(found).__name__} does not expose its block table, which roles need; choose"
                " another attention_backend, such as FLASH_ATTN or TRITON_ATTN."
            ) from None
        return self.memory.roles(input_ids, positions, table, starts)
