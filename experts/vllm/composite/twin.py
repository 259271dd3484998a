"""A mixture of experts that runs two streams at once: its own, and one with weaker experts.

The stock vLLM model does all the work on 2 T rows, the strong stream's T rows first. Two things
are exchanged: each attention layer for a pair that keep KV caches apart, and each choice of
experts for one that treats the second half of the rows differently. So one matrix product and
one fused call of the experts serve both streams, and the weights are in memory once.

Where attention and experts are in a model is found by their classes, which all of vLLM's
mixtures of experts share; `_check` says which gates are understood.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.layers.fused_moe.router.fused_moe_router import FusedMoERouter
from vllm.model_executor.layers.fused_moe.runner.moe_runner import MoERunner
from vllm.model_executor.models.utils import extract_layer_index

from experts.errors import ConfigError
from experts.vllm.composite.gates import choose_rank


class TwinAttention(nn.Module):
    """Two attention layers of the same shape: the first half of the rows, and the second."""

    def __init__(self, strong: Attention, weak: Attention) -> None:
        super().__init__()
        self.strong = strong
        self.weak = weak

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *args: Any) -> Tensor:
        half = query.shape[0] // 2
        streams = [
            attention(
                query[rows].contiguous(), key[rows].contiguous(), value[rows].contiguous(), *args
            )
            for attention, rows in (
                (self.strong, slice(None, half)),
                (self.weak, slice(half, None)),
            )
        ]
        return torch.cat(streams)


class TwinRouter(FusedMoERouter):  # type: ignore[misc]
    """The stock choice of experts, and in the second half of the rows one expert alone."""

    def __init__(self, stock: FusedMoERouter, renormalises: bool, scale: float, ranks: Tensor):
        """`ranks` [rows] is read at each call, from 0; its first T numbers are for the T rows."""
        super().__init__(eplb_state=stock.eplb_state)
        self._stock = stock
        self._renormalises = renormalises
        self._scale = scale
        self._ranks = ranks

    @property
    def routing_method_type(self) -> Any:
        return self._stock.routing_method_type

    def set_capture_fn(self, capture_fn: Callable[[Tensor], None] | None) -> None:
        self._stock.set_capture_fn(capture_fn)

    def _select_experts(
        self,
        hidden_states: Tensor,
        router_logits: Tensor,
        topk_indices_dtype: torch.dtype | None = None,
        *,
        input_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        weights, ids = self._stock.select_experts(
            hidden_states, router_logits, topk_indices_dtype, input_ids=input_ids
        )
        half = len(router_logits) // 2
        weak_weights, weak_ids = choose_rank(
            router_logits[half:], ids[half:], self._ranks[:half], self._renormalises
        )
        weights = torch.cat((weights[:half], (weak_weights * self._scale).to(weights.dtype)))
        return weights, torch.cat((ids[:half], weak_ids))


def split_streams(model: nn.Module, vllm_config: VllmConfig, ranks: Tensor) -> None:
    """Make `model`, which was just built, run two streams; `ranks` as in `TwinRouter`.

    Raises ConfigError for a model whose layers are not understood.
    """
    context = vllm_config.compilation_config.static_forward_context
    owners = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, Attention)
    ]
    layers = 1 + max(extract_layer_index(child.layer_name) for _, _, child in owners)
    for parent, name, strong in owners:
        setattr(parent, name, TwinAttention(strong, _second(strong, layers, context)))
    runners = [module for module in model.modules() if isinstance(module, MoERunner)]
    for runner in runners:
        _check(runner)
        gate = runner.routed_experts
        runner.router = TwinRouter(
            runner.router, gate.renormalize, gate.routed_scaling_factor, ranks
        )


def _second(strong: Attention, layers: int, context: dict[str, Any]) -> Attention:
    """A copy of an attention layer under the name of a layer that the model does not have."""
    if strong.has_sink or strong.kv_sharing_target_layer_name is not None:
        raise ConfigError(
            f"Layer {strong.layer_name} has attention sinks or another layer's KV cache,"
            " which self-contrast does not know."
        )
    weak = copy.deepcopy(strong)
    index = extract_layer_index(strong.layer_name)
    weak.layer_name = strong.layer_name.replace(f".{index}.", f".{layers + index}.")
    context[weak.layer_name] = weak
    return weak


def _check(runner: MoERunner) -> None:
    gate = runner.routed_experts
    unknown = {
        "groups of experts": gate.use_grouped_topk,
        "a routing function of its own": gate.custom_routing_function is not None,
        "a correction bias": gate.e_score_correction_bias is not None,
        f"scores by {gate.scoring_func}": gate.scoring_func != "softmax",
        "balanced copies of experts": runner.eplb_state is not None,
        "sequence parallelism": runner.moe_config.is_sequence_parallel,
    }
    if found := [name for name, value in unknown.items() if value]:
        raise ConfigError(
            f"The gate of {runner.layer_name} has {', '.join(found)}; self-contrast knows"
            " gates that take the k largest of a softmax."
        )
    if runner.is_monolithic:
        raise ConfigError(
            f"The kernel of {runner.layer_name} chooses the experts itself.",
            hint="Set another moe_backend, such as triton.",
        )
