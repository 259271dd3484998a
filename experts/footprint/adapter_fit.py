"""Whether a LoRA adapter can belong to a model, by the shapes that their files tell."""

from pathlib import Path

from experts.footprint.headers import read_header
from experts.footprint.shape import read_shape

_FROM_STREAM = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "query_key_value", "c_attn")
"""Projections whose input is the residual stream, as wide as the model."""


def misfit(adapter: Path, model: Path) -> str | None:
    """Why the adapter was trained on another model; None where it fits, or nothing tells."""
    shape = read_shape(model)
    header = read_header(adapter / "adapter_model.safetensors")
    if shape is None or header is None:
        return None
    for name, tensor in header.items():
        narrowing = name.endswith(".lora_A.weight")
        if narrowing and any(f".{part}." in name for part in _FROM_STREAM):
            width = tensor["shape"][-1]
            if width != shape.hidden:
                return (
                    f"the adapter was trained on a model of width {width}, and this one has"
                    f" {shape.hidden}; name the expert that it belongs to"
                )
    return None
