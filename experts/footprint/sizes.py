"""Sizes as vLLM's arguments write them: 8192, "8k", "2G"."""

import re
from typing import Any

_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgtKMGT]?)")


def whole(value: Any) -> int | None:
    """The positive whole number that a value of the configuration stands for; None for others.

    A lower-case suffix counts in thousands, a capital one in powers of 1024, as in vLLM.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value > 0 else None
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    factor = {**_UNITS, **_BINARY}.get(found[2], 1)
    return int(float(found[1]) * factor) or None
