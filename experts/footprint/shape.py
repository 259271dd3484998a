"""A model's shape, as its config.json tells it: what a token takes in the KV cache, and more.

Fused folders carry the configurations of all members, whose caches add up.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from experts.footprint.checkpoint_files import own_context

COMPOSITE = "coterie_composite"
_CONTEXTS = ("max_position_embeddings", "n_positions", "max_sequence_length")


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a configuration decides over memory."""

    kv_numbers: int
    """Numbers that one token takes in the KV cache, over all layers."""
    context: int | None
    """The longest text that the model was made for, in tokens."""
    hidden: int
    inner: int
    """The width inside a layer's feed-forward part."""
    vocabulary: int
    layers: int
    embeddings: int = 0
    """Numbers of its embedding, and of its head where that has weights of its own."""
    quantised: str | None = None
    """The method, where the checkpoint is quantised."""
    dtype: str | None = None
    """The dtype that the configuration names."""

    @property
    def widest(self) -> int:
        """Numbers that a token takes at once inside a layer, roughly."""
        return 4 * self.hidden + 3 * self.inner


@lru_cache(maxsize=256)
def read_shape(folder: Path) -> Shape | None:
    """The shape of the model in a folder; None where its config.json does not tell."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return shape_of(config)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
        return None


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape that a configuration describes.

    Raises KeyError, TypeError or ValueError where it lacks what every language model has.
    """
    if config.get("model_type") == COMPOSITE:
        return _composite(config)
    text = config.get("text_config")
    inside: Mapping[str, Any] = text if isinstance(text, dict) else config
    hidden = _first(inside, "hidden_size", "n_embd", "d_model")
    layers = _first(inside, "num_hidden_layers", "n_layer", "num_layers")
    heads = _first(inside, "num_attention_heads", "n_head", "num_heads")
    if min(hidden, layers, heads) < 1:
        raise ValueError("a model without layers")
    return Shape(
        kv_numbers=layers * _kv_of_a_layer(inside, hidden, heads),
        context=own[0] if (own := own_context(config)) else _maybe(inside, *_CONTEXTS),
        hidden=hidden,
        inner=_maybe(inside, "intermediate_size", "ffn_dim", "n_inner") or 4 * hidden,
        vocabulary=_maybe(inside, "vocab_size") or 0,
        layers=layers,
        embeddings=_embeddings(config, inside) * hidden,
        quantised=_quantised(config),
        dtype=inside.get("dtype") or inside.get("torch_dtype") or config.get("torch_dtype"),
    )


def _kv_of_a_layer(config: Mapping[str, Any], hidden: int, heads: int) -> int:
    if rank := _maybe(config, "kv_lora_rank"):  # Latent attention keeps one compressed vector.
        return rank + (_maybe(config, "qk_rope_head_dim") or 0)
    kv_heads = _maybe(config, "num_key_value_heads", "num_kv_heads") or heads
    if config.get("multi_query") is True:
        kv_heads = 1
    size = _maybe(config, "head_dim") or hidden // heads
    return 2 * kv_heads * size


def _composite(config: Mapping[str, Any]) -> Shape:
    """All parts side by side; what the method adds is in `docs/operations.md`."""
    parts = [shape_of(member["config"]) for member in config["members"].values()]
    if router := config.get("router"):
        parts.append(shape_of(router))
    copies = 2 if config["architectures"][0] == "CoterieSelfContrast" else 1
    numbers = copies * sum(part.kv_numbers for part in parts)
    if config.get("attention") == "sequence":
        # One layer's cache for each interaction, with room for every member's heads.
        numbers += 2 * len(config["places"]) * len(config["members"]) * config["shared_width"]
    contexts = [part.context for part in parts if part.context]
    return Shape(
        kv_numbers=numbers,
        context=_maybe(config, "max_position_embeddings") or min(contexts, default=None),
        hidden=copies * sum(part.hidden for part in parts),
        inner=copies * max(part.inner for part in parts),
        vocabulary=copies * sum(part.vocabulary for part in parts),
        layers=sum(part.layers for part in parts),
        embeddings=sum(part.embeddings for part in parts),
        quantised=next((part.quantised for part in parts if part.quantised), None),
        dtype=config.get("dtype") or config.get("torch_dtype"),
    )


def _embeddings(config: Mapping[str, Any], inside: Mapping[str, Any]) -> int:
    """Rows of the embedding, and of the head where the two are not one."""
    tied = inside.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    return (_maybe(inside, "vocab_size") or 0) * (2 if tied is False else 1)


def _quantised(config: Mapping[str, Any]) -> str | None:
    found = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(found, dict):
        return None
    return str(found.get("quant_method") or "an unnamed method")


def _first(config: Mapping[str, Any], *names: str) -> int:
    if (found := _maybe(config, *names)) is None:
        raise KeyError(names[0])
    return found


def _maybe(config: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
