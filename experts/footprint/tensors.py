"""Whether a checkpoint has the tensors that its config.json describes, by their headers alone.

What config.json does not tell is not compared: a check that guesses would refuse good models.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from experts.footprint.checkpoint import FLOATS
from experts.footprint.headers import read_header
from experts.footprint.layouts import LAYOUTS, Layout, Part
from experts.footprint.shape import COMPOSITE

Tensors = Mapping[str, Any]
Sizes = Mapping[str, int | None]
_LAYER = re.compile(r"(.*\b(?:layers|layer|h|blocks|block)\.)(\d+)\.")
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")
_FACTORED = ("word_embed_proj_dim", "embedding_size")
"""Keys of models whose embedding is not as wide as they are."""
_OWN_HEAD_SIZE = ("Gemma", "Qwen3")
"""Families whose heads are not the width divided by their number, where nothing is said."""
_PACKED = ("awq", "gptq")
"""Ways of quantising whose weights go by a name of their own."""
_COPY = "copy the checkpoint again, or save it anew with `save_pretrained`"


def misplaced_tensors(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """What a folder's safetensors files and its config.json tell differently, in sentences.

    Files that cannot be read, other formats, and fused folders are left to other checks.
    """
    files = [f for f in folder.glob("*.safetensors") if not f.name.startswith("consolidated")]
    headers = [read_header(file) for file in sorted(files)]
    if not files or None in headers or config.get("model_type") == COMPOSITE:
        return
    tensors = {name: one for header in headers for name, one in (header or {}).items()}
    names = config.get("architectures")
    architecture = str(names[0]) if isinstance(names, list) and names else ""
    layout = LAYOUTS.get(architecture)
    quantised = config.get("quantization_config")
    method = quantised.get("quant_method") if isinstance(quantised, Mapping) else None
    is_packed = any(name.endswith(".qweight") for name in tensors)
    if layout is not None and method in _PACKED and not is_packed:
        yield (
            f"its config.json says that it is quantised by `{method}`, and none of its tensors is"
            " (NAME.qweight); take `quantization_config` out of config.json."
        )
    elif layout is not None:
        yield from _of_family(_prefixed(tensors, layout), config, layout, architecture)
    else:
        yield from _of_any(tensors, config)


def dimensions(config: Mapping[str, Any], architecture: str = "") -> dict[str, int | None]:
    """The sizes that a configuration tells, by the names of `layouts.py`; None: not told."""

    def number(*keys: str) -> int | None:
        found = (config.get(key) for key in keys)
        return next((n for n in found if isinstance(n, int) and not isinstance(n, bool)), None)

    hidden, heads = number("hidden_size", "n_embd"), number("num_attention_heads", "n_head")
    size = number("head_dim")
    if size is None and hidden and heads and not architecture.startswith(_OWN_HEAD_SIZE):
        size = hidden // heads
    key_heads = number("num_key_value_heads")
    query = heads * size if heads and size else None
    key = key_heads * size if key_heads and size else None
    inner = number("intermediate_size", "n_inner")
    if inner is None and "n_embd" in config and hidden:
        inner = 4 * hidden
    return {
        "hidden": hidden,
        "query": query,
        "key": key,
        "query_key_value": query + 2 * key if query and key else None,
        "inner": inner,
        "twice_inner": 2 * inner if inner else None,
        "thrice_hidden": 3 * hidden if hidden else None,
        "vocabulary": number("vocab_size"),
        "layers": number("num_hidden_layers", "n_layer"),
    }


def _prefixed(tensors: Tensors, layout: Layout) -> Tensors:
    """The names as the loader sees them."""
    start = layout.prefix
    return {n if n.startswith((start, "lm_head")) else start + n: t for n, t in tensors.items()}


def _of_family(
    tensors: Tensors, config: Mapping[str, Any], layout: Layout, architecture: str
) -> Iterator[str]:
    sizes, embedding = dimensions(config, architecture), f"{layout.embedding}.weight"
    there = _modules(tensors, quantised="quantization_config" in config)
    if layout.embedding not in there:
        yield _misnamed(tensors, embedding, architecture)
        return
    missing, wrong = [], [_compare(tensors, embedding, ("vocabulary", "hidden"), sizes)]
    for layer in range(sizes["layers"] or 0):
        start = f"{layout.layers}{layer}."
        for forms in layout.parts:
            for name, shape in _nearest(forms, there, start).items():
                if start + name not in there:
                    missing.append(f"{start}{name}.weight")
                wrong.append(_compare(tensors, f"{start}{name}.weight", shape, sizes))
    yield from _summary(missing, [fault for fault in wrong if fault is not None])
    yield from _surplus(tensors, layout.layers, sizes["layers"])


def _modules(tensors: Tensors, *, quantised: bool) -> frozenset[str]:
    """What has weights; quantised ones go by other names, such as `qweight`, `weight_packed`."""
    if not quantised:
        return frozenset(n.removesuffix(".weight") for n in tensors if n.endswith(".weight"))
    return frozenset(name.rpartition(".")[0] for name in tensors if not name.endswith(".bias"))


def _nearest(forms: tuple[Part, ...], there: frozenset[str], start: str) -> Part:
    """The form of a part of which the most is there; the first where nothing is."""
    return max(forms, key=lambda form: sum(start + name in there for name in form))


def _compare(tensors: Tensors, name: str, wanted: tuple[str, str], sizes: Sizes) -> str | None:
    """What is wrong with the shape of a tensor; of a packed one, nobody knows."""
    tensor, shape = tensors.get(name), [sizes[size] for size in wanted]
    if tensor is None or tensor["dtype"] not in FLOATS or None in shape:
        return None
    if tensor["shape"] == shape:
        return None
    return f"{name} is {_times(tensor['shape'])}, and by its config.json it is {_times(shape)}"


def _summary(missing: list[str], wrong: list[str]) -> Iterator[str]:
    if missing:
        more = f" ({len(missing)} are missing)" if len(missing) > 1 else ""
        yield f"its weights lack {missing[0]}{more}; {_COPY}."
    if wrong:
        more = f" ({len(wrong)} tensors differ)" if len(wrong) > 1 else ""
        yield f"{wrong[0]}{more}; are both from the same model?"


def _misnamed(tensors: Tensors, embedding: str, architecture: str) -> str:
    longer = next((name for name in tensors if name.endswith(f".{embedding}")), None)
    if longer is not None:
        start = longer.removesuffix(embedding)
        return (
            f"the names of its tensors begin with `{start}`, which those of {architecture} do not"
            f" ({longer}, not {embedding}); save it anew without that wrapper."
        )
    example = next(iter(sorted(tensors)), "none")
    return (
        f"its weights lack {embedding}, which {architecture} has; the first of its"
        f" {len(tensors)} tensors is {example}. Is that the architecture of these weights?"
    )


def _surplus(tensors: Tensors, layers: str, count: int | None) -> Iterator[str]:
    """More layers than the loader makes room for."""
    numbers = [int(found[2]) for name in tensors if (found := _LAYER.match(name)) is not None
               and found[1] == layers]  # fmt: skip
    if count is not None and numbers and (there := max(numbers) + 1) > count:
        yield f"its weights have {there} layers, and its config.json has {count}."


def _of_any(tensors: Tensors, config: Mapping[str, Any]) -> Iterator[str]:
    """Of an architecture without a layout, whether there are enough layers, and their width."""
    text = config.get("text_config")
    sizes = dimensions(text if isinstance(text, dict) else config)
    most = _layers_at_most(tensors)
    if sizes["layers"] is not None and 0 < most < sizes["layers"]:
        yield f"its weights have {most} layers, and its config.json has {sizes['layers']}; {_COPY}."
    widths = [
        tensor["shape"][-1]
        for name, tensor in tensors.items()
        if name.endswith(_EMBEDDINGS) and tensor["dtype"] in FLOATS and tensor["shape"]
    ]
    hidden = sizes["hidden"]
    if widths and hidden is not None and hidden not in widths and not _factored(config):
        yield (
            f"its embedding is {widths[0]} wide, and its config.json says {hidden}; are both from"
            " the same model?"
        )


def _layers_at_most(tensors: Tensors) -> int:
    """How many layers there may be, however they are stacked; 0 where no name tells."""
    inmost = {found[0] for name in tensors if (found := _LAYER.match(name)) is not None}
    return len(inmost)


def _factored(config: Mapping[str, Any]) -> bool:
    return any(key in config for key in _FACTORED)


def _times(shape: list[Any]) -> str:
    return " x ".join(map(str, shape))
