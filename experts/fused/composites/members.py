"""The members of a composite as vLLM models, each with its own layer names and weights."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn
from vllm.compilation.backends import set_model_tag
from vllm.config import VllmConfig
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.layers.attention_layer_base import AttentionLayerBase
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader
from vllm.model_executor.model_loader.utils import initialize_model
from vllm.model_executor.models.utils import maybe_prefix
from vllm.transformers_utils.config import patch_rope_parameters

from experts.errors import ConfigError
from experts.fused.folder.composite import Composite
from experts.fused.folder.fingerprint import check_members
from experts.fused.folder.member import model_config

WITHOUT_BLOCKS = ("FLASHINFER",)
"""Attention backends that keep the block table to themselves; vLLM's first choice on Blackwell."""


def build_language_model(vllm_config: VllmConfig, config: Mapping[str, Any], prefix: str) -> Any:
    """Build a vLLM model from a Hugging Face configuration, without weights.

    `prefix` must not contain an integer.
    Raises ConfigError for a configuration that is not a plain language model's.
    """
    hf_config = model_config(config, prefix)
    patch_rope_parameters(hf_config)
    # Compiled parts are kept on disk by what the configuration hashes to. Names of layers are in
    # them, so that members of the same shape, or of another composite, must not find each other's.
    hf_config.coterie_member = prefix
    own = vllm_config.with_hf_config(hf_config, architectures=hf_config.architectures)
    # vLLM writes the folder of the compiled parts into it: every member has its own.
    own.compilation_config = copy.copy(vllm_config.compilation_config)
    own.compilation_config.traced_files = set()
    # What the engine's configuration leaves at the composite's; models that vLLM takes from
    # transformers (GPT-NeoX, Phi) read the shape of their attention there.
    own.model_config.hf_text_config = own.model_config.hf_config.get_text_config()
    own.model_config.model_arch_config = own.model_config.get_model_arch_config()
    with set_model_tag(prefix):  # Compiled parts of different members must not mix.
        return initialize_model(own, prefix=prefix)


def build_members(vllm_config: VllmConfig, composite: Composite, prefix: str) -> nn.ModuleDict:
    """Build all members, in order, under the names of `composite.keys`."""
    prefix = maybe_prefix(prefix, "members")
    return nn.ModuleDict(
        {
            composite.keys[name]: build_language_model(
                vllm_config, member.config, f"{prefix}.{composite.keys[name]}"
            )
            for name, member in composite.members.items()
        }
    )


def weight_sources(composite: Composite, folder: Path) -> list[DefaultModelLoader.Source]:
    """Where vLLM's loader finds the members' weights, besides those of the composite itself.

    Raises ConfigError as `check_members` does.
    """
    return [
        DefaultModelLoader.Source(
            str(place), revision=None, prefix=f"members.{composite.keys[name]}."
        )
        for name, place in check_members(composite, folder).items()
    ]


def first_layer(vllm_config: VllmConfig) -> Attention:
    """The attention layer whose block table leads to a request's first block.

    Raises ConfigError where no layer tells, or blocks would not stay with a request for its whole
    life.
    """
    context = vllm_config.compilation_config.static_forward_context
    layers = {n: layer for n, layer in context.items() if isinstance(layer, AttentionLayerBase)}
    manager_off = vllm_config.scheduler_config.disable_hybrid_kv_cache_manager
    for name, layer in layers.items():
        if type(layer) is not Attention:
            raise ConfigError(
                f"Layer {name} is a {type(layer).__name__}.",
                hint="The members of a composite need ordinary attention layers.",
            )
        if layer.sliding_window is not None and not manager_off:
            raise ConfigError(
                f"Layer {name} has a sliding window, which frees a request's first block.",
                hint="Set the engine argument disable_hybrid_kv_cache_manager: true.",
            )
    for layer in layers.values():
        if layer.attn_backend.get_name() not in WITHOUT_BLOCKS:
            first: Attention = layer
            return first
    raise ConfigError(
        f"The attention backend {', '.join(WITHOUT_BLOCKS)} does not tell which blocks of the KV"
        " cache a request has, by which its role is found.",
        hint="Set the engine argument attention_backend: FLASH_ATTN or TRITON_ATTN.",
    )


def blocks_of(layer: Attention) -> int:
    """An upper bound for the blocks of the layer's KV cache: the tokens that it has room for."""
    return int(layer.kv_cache.numel() // (layer.num_kv_heads * layer.head_size))


def refuse_unsupported(vllm_config: VllmConfig) -> None:
    """Raise ConfigError for engine arguments that would give wrong answers."""
    parallel = vllm_config.parallel_config
    refused = {
        "kv_transfer_config (roles do not travel with KV blocks)": vllm_config.kv_transfer_config,
        "speculative_config": vllm_config.speculative_config,
        "enable_lora": vllm_config.lora_config,
        "enable_prompt_embeds": vllm_config.model_config.enable_prompt_embeds,
        "tensor_parallel_size (roles and logits stay on one GPU)": parallel.tensor_parallel_size
        > 1,
        "pipeline_parallel_size": parallel.pipeline_parallel_size > 1,
        "data_parallel_size": parallel.data_parallel_size > 1,
        "decode_context_parallel_size": parallel.decode_context_parallel_size > 1,
        "prefill_context_parallel_size": parallel.prefill_context_parallel_size > 1,
        "enable_dbo (roles are those of a whole step)": parallel.use_ubatching,
        "quantization": vllm_config.quant_config,
    }
    wrong = [name for name, value in refused.items() if value]
    if wrong:
        raise ConfigError(f"A composite cannot be served with {', '.join(wrong)}.")
