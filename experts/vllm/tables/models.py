"""The models that vLLM knows: architectures, types of config.json, ways of quantising."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from experts.footprint.shape import COMPOSITE

TABLE = Path(__file__).with_name("models.json")
OWN = ("vllm.", "experts.")
"""Packages whose plugins add nothing: vLLM's own, and ours, which adds the fused experts."""
_PLUGINS = "vllm.general_plugins"
_HEARS = frozenset({"audio_config", "audio_encoder_config", "encoder_layers"})
_SEES = frozenset({"vision_config", "thinker_config", "visual"})
"""Keys of config.json by which models that hear are told from those that see."""
_ALIASES = frozenset({"auto-round", "compressed_tensors", "intel/auto-round"})
"""Names of ways of quantising that vLLM reads as another one's."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a version of vLLM knows."""

    vllm: str
    architectures: tuple[str, ...]
    by_transformers: frozenset[str]
    """Architectures that vLLM takes from transformers."""
    multimodal: frozenset[str]
    """Architectures that take more than text."""
    model_types: tuple[str, ...]
    quantisations: tuple[str, ...]
    activations: tuple[str, ...]
    """Of vLLM and of transformers."""
    attention_backends: tuple[str, ...]
    chat_templates: tuple[str, ...]
    """Files that vLLM brings along."""


@cache
def known() -> Known:
    """The table of the vLLM of this release."""
    tree = json.loads(TABLE.read_text(encoding="utf-8"))
    return Known(
        tree["vllm"],
        tuple(tree["architectures"]),
        frozenset(tree["by_transformers"]),
        frozenset(tree["multimodal"]),
        tuple(tree["model_types"]),
        tuple(tree["quantisations"]),
        tuple(tree["activations"]),
        tuple(tree["attention_backends"]),
        tuple(tree["chat_templates"]),
    )


@cache
def others_add() -> bool:
    """Whether plugins of vLLM are installed that are not ours, and may know more than it."""
    return any(not point.value.startswith(OWN) for point in entry_points(group=_PLUGINS))


def takes_images(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of a model that takes images, by vLLM's table and its own words.

    What is multimodal without images, such as speech, has no configuration of a vision model.
    """
    names = config.get("architectures")
    if not isinstance(names, list) or not any(name in known().multimodal for name in names):
        return False
    return not _HEARS.intersection(config) or bool(_SEES.intersection(config))


def config_faults(config: Any) -> Iterator[str]:
    """What vLLM would refuse of a config.json, in sentences that name the key."""
    if not isinstance(config, Mapping):
        yield "must be a mapping of keys, as `save_pretrained` writes it."
        return
    if config.get("model_type") == COMPOSITE:
        return
    # Whoever brings code of their own, or a plugin, may bring what no table has.
    if "auto_map" not in config and not others_add():
        yield from _architecture(config.get("architectures"))
        yield from _model_type(config.get("model_type"))
    yield from _quantisation(config)


def _architecture(names: Any) -> Iterator[str]:
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        yield (
            "architectures: must be a list with the name of the model's class, such as"
            " [LlamaForCausalLM]."
        )
        return
    table = known()
    if not any(n in table.architectures or n in table.by_transformers for n in names):
        hint = nearest(names[0], table.architectures)
        yield f"architectures: vLLM {table.vllm} knows no architecture `{names[0]}`{hint}."


def _model_type(name: Any) -> Iterator[str]:
    if name is None:
        yield "model_type: this key is missing; it says of which family the model is."
        return
    table = known()
    if name not in table.model_types:
        hint = nearest(str(name), table.model_types)
        yield f"model_type: vLLM {table.vllm} and its transformers know no `{name}`{hint}."


def _quantisation(config: Mapping[str, Any]) -> Iterator[str]:
    found = config.get("quantization_config")
    if found is None:
        return
    if not isinstance(found, Mapping):
        yield "quantization_config: must be a mapping with the key `quant_method`."
        return
    table, method = known(), found.get("quant_method")
    taken = method in table.quantisations or method in _ALIASES or others_add()
    if isinstance(method, str) and not taken:
        hint = nearest(method, table.quantisations)
        yield (
            f"quantization_config.quant_method: vLLM {table.vllm} cannot read `{method}`{hint};"
            f" known: {', '.join(table.quantisations)}."
        )


def nearest(name: str, names: Sequence[str]) -> str:
    """The name that was probably meant, whatever its capitals."""
    folded = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.7)
    return f" (did you mean `{folded[near[0]]}`?)" if near else ""
