"""How many weights a checkpoint has, by the headers of its safetensors files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from experts.footprint.headers import read_header

FLOATS: Mapping[str, float] = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Bytes of the types that an engine converts to its own; every other type stays as it is."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How many weights a checkpoint has, by whether an engine converts them."""

    convertible: int = 0
    """Numbers of an ordinary float type."""
    fixed_bytes: int = 0
    """Bytes of everything else: packed quantised weights, FP8, integers."""
    dtype: str = "F32"
    """The type of most of the numbers that are converted."""

    def in_bytes(self, width: float) -> float:
        """Their size where a converted number takes `width` bytes."""
        return self.convertible * width + self.fixed_bytes


def read_weights(folder: Path) -> Weights | None:
    """Count the weights of a folder; None where it has no safetensors that can be read."""
    counts: dict[str, int] = {}
    fixed = 0
    for file in sorted(folder.glob("*.safetensors")):
        header = read_header(file)
        if header is None:
            return None
        for tensor in header.values():
            kind = tensor["dtype"]
            if kind in FLOATS:
                counts[kind] = counts.get(kind, 0) + math.prod(tensor["shape"])
            else:
                begin, end = tensor["data_offsets"]
                fixed += end - begin
    if not counts and not fixed:
        return None
    most = max(counts, key=lambda kind: counts[kind], default="F32")
    return Weights(sum(counts.values()), fixed, most)
