"""Single values of a config.json that no model can have: sizes, dtype, activation, RoPE scaling."""

from collections.abc import Iterator, Mapping
from typing import Any

from experts.footprint.layouts import LAYOUTS
from experts.vllm.tables.models import known, nearest, others_add

_COUNTS = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings",
    "n_embd", "n_layer", "n_head", "n_positions", "n_inner",
)  # fmt: skip
_DTYPES = ("float32", "float", "float16", "half", "bfloat16", "float64", "double", "auto")
_EIGHT_BITS = "float8_"
_ROPE_TYPES = frozenset(
    {
        "default", "linear", "dynamic", "ntk", "yarn", "llama3", "mllama4", "longrope", "su",
        "mrope", "bailing_mrope", "proportional", "openpangu", "deepseek_yarn",
        "deepseek_llama_scaling",
    }
)  # fmt: skip
"""What `get_rope` of vLLM tells apart, and the older names that it changes into these."""
_AS_SAVED = "copy config.json again from where the weights are from"


def field_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with single values, in sentences that begin with the key.

    Of models that are put together of several, the text model's values are looked at, too.
    """
    yield from _of_one("", config)
    inner = config.get("text_config")
    if isinstance(inner, Mapping):
        yield from _of_one("text_config.", inner)
    names = config.get("architectures")
    # Other families may have more activations, and ways of scaling, than these.
    if isinstance(names, list) and names and names[0] in LAYOUTS and not others_add():
        yield from _activation(config.get("hidden_act", config.get("activation_function")))
        yield from _scalings(config)


def _of_one(where: str, config: Mapping[str, Any]) -> Iterator[str]:
    for key in _COUNTS:
        value = config.get(key)
        if isinstance(value, str | bool) or (isinstance(value, float) and value % 1):
            yield f"{where}{key}: must be a whole number, not {value!r}; {_AS_SAVED}."
    for key in ("dtype", "torch_dtype"):
        value = config.get(key)
        if isinstance(value, str) and not _is_dtype(value.removeprefix("torch.")):
            yield (
                f"{where}{key}: `{value}` is no format of weights; known: {', '.join(_DTYPES[:5])}."
            )


def _is_dtype(name: str) -> bool:
    return name in _DTYPES or name.startswith(_EIGHT_BITS)


def _activation(name: Any) -> Iterator[str]:
    table = known()
    if isinstance(name, str) and name.lower() not in table.activations:
        hint = nearest(name, table.activations)
        yield f"hidden_act: vLLM {table.vllm} knows no activation `{name}`{hint}; {_AS_SAVED}."


def _scalings(config: Mapping[str, Any]) -> Iterator[str]:
    """The kinds of RoPE scaling, of which some models have one for each kind of layer."""
    for key in ("rope_parameters", "rope_scaling"):
        given = config.get(key)
        if not isinstance(given, Mapping):
            continue
        for one in (given, *given.values()):
            kind = one.get("rope_type", one.get("type")) if isinstance(one, Mapping) else None
            if isinstance(kind, str) and kind not in _ROPE_TYPES:
                hint = nearest(kind, tuple(_ROPE_TYPES))
                yield (
                    f"{key}.rope_type: vLLM {known().vllm} knows no RoPE scaling `{kind}`{hint};"
                    f" {_AS_SAVED}."
                )
