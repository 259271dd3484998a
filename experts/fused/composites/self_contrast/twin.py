"""A mixture of experts that runs two streams at once: its own, and one with weaker experts.

The stock vLLM model does all the work on 2 T rows, the strong stream's T rows first. Two things
are exchanged: each attention layer for one of twice the heads, of which either stream has its own
half, and each choice of experts for one that treats the second half of the rows differently. So
one matrix product, one call of the attention kernel and one fused call of the experts serve both
streams, and the weights are in memory once.

Where attention and experts are in a model is found by their classes, which all of vLLM's
mixtures of experts share; `_check` says which gates are understood.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.layers.fused_moe.router.fused_moe_router import FusedMoERouter
from vllm.model_executor.layers.fused_moe.runner.moe_runner import MoERunner
from vllm.v1.attention.backend import AttentionType

from experts.errors import ConfigError
from experts.fused.composites.self_contrast.mix import WeakChoice


class TwinAttention(nn.Module):
    """Both streams in one call: a token's KV cache holds the heads of the strong, then the weak."""

    def __init__(self, both: Attention) -> None:
        """`both` has twice the heads of the layer that this stands for."""
        super().__init__()
        self.both = both

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The outputs [2 T, heads x size] of as many rows, the strong stream's first."""
        beside: Tensor = self.both(_side_by_side(query), _side_by_side(key), _side_by_side(value))
        if len(beside) == 1:
            return beside.view(2, -1)
        return torch.cat(beside.chunk(2, -1))


def _side_by_side(rows: Tensor) -> Tensor:
    """Put both streams of a token into one row: [2 T, width] to [T, 2 width]."""
    if len(rows) == 2:  # Cheaper, and most steps of a lone request are so.
        return rows.reshape(1, -1)
    return torch.cat(rows.chunk(2), -1)


class TwinRouter(FusedMoERouter):  # type: ignore[misc]
    """The stock choice of experts; in the second half of the rows, one weaker expert alone."""

    def __init__(
        self, stock: FusedMoERouter, choice: WeakChoice, renormalises: bool, scale: float
    ) -> None:
        """`choice` has been told of the step's roles whenever this is called."""
        super().__init__(eplb_state=stock.eplb_state)
        self._stock = stock
        self._choice = choice
        self._renormalises = renormalises
        self._scale = scale

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
        weak_weights, weak_ids = self._choice(router_logits[half:], self._renormalises)
        weights[half:] = weak_weights if self._scale == 1 else weak_weights * self._scale
        ids[half:] = weak_ids
        return weights, ids


def split_streams(model: nn.Module, vllm_config: VllmConfig, choice: WeakChoice) -> None:
    """Make `model`, which was just built, run two streams; `choice` as in `TwinRouter`.

    Raises ConfigError for a model whose layers are not understood.
    """
    owners = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, Attention)
    ]
    for parent, name, attention in owners:
        setattr(parent, name, TwinAttention(_doubled(attention, vllm_config)))
    runners = [module for module in model.modules() if isinstance(module, MoERunner)]
    for runner in runners:
        _check(runner)
        gate = runner.routed_experts
        runner.router = TwinRouter(
            runner.router, choice, gate.renormalize, gate.routed_scaling_factor
        )


def _doubled(attention: Attention, vllm_config: VllmConfig) -> Attention:
    """An attention layer of the same name and twice the heads, in its place in the engine."""
    unknown = {
        "sinks": attention.has_sink,
        "another layer's KV cache": attention.kv_sharing_target_layer_name is not None,
        "linear biases": getattr(attention.impl, "alibi_slopes", None) is not None,
        "a type of its own": attention.attn_type != AttentionType.DECODER,
        "values of another size": attention.head_size_v != attention.head_size,
    }
    if found := [name for name, value in unknown.items() if value]:
        raise ConfigError(
            f"The attention of {attention.layer_name} has {', '.join(found)}, which self-contrast"
            " does not support."
        )
    # A new layer enters itself, and refuses a name that is taken.
    del vllm_config.compilation_config.static_forward_context[attention.layer_name]
    return Attention(
        2 * attention.num_heads,
        attention.head_size,
        attention.impl.scale,
        num_kv_heads=2 * attention.num_kv_heads,
        cache_config=vllm_config.cache_config,
        quant_config=attention.quant_config,
        logits_soft_cap=getattr(attention.impl, "logits_soft_cap", None) or None,
        per_layer_sliding_window=attention.sliding_window,
        prefix=attention.layer_name,
        attn_backend=attention.attn_backend,
    )


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
            f"The gate of {runner.layer_name} has {', '.join(found)}; self-contrast supports"
            " only gates that take the k largest of a softmax."
        )
    if runner.is_monolithic:
        raise ConfigError(
            f"The kernel of {runner.layer_name} chooses the experts itself.",
            hint="Set another moe_backend, such as triton.",
        )
