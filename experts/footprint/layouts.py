"""The tensors that checkpoints of the common decoder families have, by their architecture."""

from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[str, str]
"""Rows and columns, each by its name in `tensors.dimensions`."""
Part = Mapping[str, Shape]
"""Linear maps of a layer that belong together, by their names inside it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the weights of a family lie."""

    embedding: str
    layers: str
    """What the names of a layer's tensors begin with, before its number."""
    parts: tuple[tuple[Part, ...], ...]
    """Of each layer; a part may come in several forms, such as apart and fused."""
    prefix: str = ""
    """What the loader puts before every name that lacks it."""


_OUT: Part = {"self_attn.o_proj": ("hidden", "query")}
_APART: Part = {
    "self_attn.q_proj": ("query", "hidden"),
    "self_attn.k_proj": ("key", "hidden"),
    "self_attn.v_proj": ("key", "hidden"),
}
_FUSED: Part = {"self_attn.qkv_proj": ("query_key_value", "hidden")}
_GATED: Part = {
    "mlp.gate_proj": ("inner", "hidden"),
    "mlp.up_proj": ("inner", "hidden"),
}
_GATED_FUSED: Part = {"mlp.gate_up_proj": ("twice_inner", "hidden")}
_DOWN: Part = {"mlp.down_proj": ("hidden", "inner")}

_ATTENTION = ((_APART, _FUSED), (_OUT,))
_LLAMA = Layout(
    "model.embed_tokens", "model.layers.", (*_ATTENTION, (_GATED, _GATED_FUSED), (_DOWN,))
)
_EXPERTS = Layout("model.embed_tokens", "model.layers.", _ATTENTION)
"""A mixture of experts: theirs have too many forms."""
_PHI = Layout(
    "model.embed_tokens",
    "model.layers.",
    (
        (_APART, _FUSED),
        ({"self_attn.dense": ("hidden", "query")},),
        ({"mlp.fc1": ("inner", "hidden"), "mlp.fc2": ("hidden", "inner")},),
    ),
)
_STARCODER = Layout(
    "model.embed_tokens",
    "model.layers.",
    (*_ATTENTION, ({"mlp.c_fc": ("inner", "hidden"), "mlp.c_proj": ("hidden", "inner")},)),
)
_NEOX = Layout(
    "gpt_neox.embed_in",
    "gpt_neox.layers.",
    (
        (
            {
                "attention.query_key_value": ("thrice_hidden", "hidden"),
                "attention.dense": ("hidden", "hidden"),
            },
        ),
        (
            {
                "mlp.dense_h_to_4h": ("inner", "hidden"),
                "mlp.dense_4h_to_h": ("hidden", "inner"),
            },
        ),
    ),
)
_GPT2 = Layout(  # Its maps are stored with their rows as inputs.
    "transformer.wte",
    "transformer.h.",
    (
        (
            {
                "attn.c_attn": ("hidden", "thrice_hidden"),
                "attn.c_proj": ("hidden", "hidden"),
                "mlp.c_fc": ("hidden", "inner"),
                "mlp.c_proj": ("inner", "hidden"),
            },
        ),
    ),
    prefix="transformer.",
)

LAYOUTS: Mapping[str, Layout] = {
    **dict.fromkeys(
        (
            "GemmaForCausalLM", "Gemma2ForCausalLM", "GraniteForCausalLM", "LlamaForCausalLM",
            "MistralForCausalLM", "OlmoForCausalLM", "Olmo2ForCausalLM", "Phi3ForCausalLM",
            "Qwen2ForCausalLM", "Qwen3ForCausalLM", "SmolLM3ForCausalLM", "StableLmForCausalLM",
        ),
        _LLAMA,
    ),
    **dict.fromkeys(
        ("MixtralForCausalLM", "OlmoeForCausalLM", "Qwen2MoeForCausalLM", "Qwen3MoeForCausalLM"),
        _EXPERTS,
    ),
    "PhiForCausalLM": _PHI,
    "Starcoder2ForCausalLM": _STARCODER,
    "GPTNeoXForCausalLM": _NEOX,
    "GPT2LMHeadModel": _GPT2,
}  # fmt: skip
"""By architecture. Of every other one, only the layers and the embedding's width are known."""
