"""Traces of requests: drawn from a Zipf law, all at once, or read from a file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experts.errors import ConfigError
from experts.files.jsonl import LineProblem, read_jsonl

CLASSES = ("interactive", "batch")
INTERACTIVE, BATCH = range(2)


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in the order of their arrival; a request is its number in the three lists."""

    experts: tuple[str, ...]
    at_s: Sequence[float]
    expert: Sequence[int]
    """Positions in `experts`."""
    kind: Sequence[int]
    """INTERACTIVE (has an age bound) or BATCH."""

    def __len__(self) -> int:
        return len(self.at_s)

    def start(self, requests: int) -> "Trace":
        """The first ones."""
        part = slice(requests)
        return Trace(self.experts, self.at_s[part], self.expert[part], self.kind[part])


def zipf_trace(
    *,
    experts: int,
    requests: int,
    rate: float,
    alpha: float = 1.0,
    batch_share: float = 0.0,
    seed: int = 0,
) -> Trace:
    """Poisson arrivals at `rate` requests/s; the k-th expert is asked in proportion to k^-alpha.

    With an infinite rate all requests arrive at once.
    """
    rng = np.random.default_rng(seed)
    weights = np.arange(1, experts + 1, dtype=float) ** -alpha
    chosen = rng.choice(experts, size=requests, p=weights / weights.sum())
    gaps = rng.exponential(1.0, size=requests)
    at_s = np.zeros(requests) if math.isinf(rate) else np.cumsum(gaps / rate)
    batch = rng.random(requests) < batch_share
    names = tuple(f"expert-{number:0{len(str(experts))}d}" for number in range(1, experts + 1))
    kinds = np.where(batch, BATCH, INTERACTIVE)
    return Trace(names, at_s.tolist(), chosen.tolist(), kinds.tolist())


def read_trace(path: Path) -> Trace:
    """Read a JSON object per line: `at_s`, `expert` and, if it is not interactive, `class`.

    Raises ConfigError that names the bad lines (the first twenty of them).
    """
    rows = list(read_jsonl(path, _row).values())
    if not rows:
        raise ConfigError(f"{path} has no requests.", hint='Write {"at_s": 0.5, "expert": "law"}.')
    rows.sort(key=lambda row: row[0])
    names = tuple(sorted({expert for _, expert, _ in rows}))
    position = {name: number for number, name in enumerate(names)}
    at_s, asked, kinds = zip(*rows, strict=True)
    return Trace(names, at_s, [position[name] for name in asked], kinds)


def _row(row: Any) -> tuple[float, str, int]:
    if not isinstance(row, dict):
        raise LineProblem('write an object like {"at_s": 0.5, "expert": "law"}')
    if unknown := sorted(set(row) - {"at_s", "expert", "class"}):
        raise LineProblem(f"unknown key {unknown[0]!r}; known are at_s, expert, class")
    at_s, expert, kind = row.get("at_s", "?"), row.get("expert"), row.get("class", CLASSES[0])
    if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not 0 <= at_s < math.inf:
        raise LineProblem("at_s must be a number of seconds, 0 or more")
    if not isinstance(expert, str) or not expert:
        raise LineProblem("expert must be a name")
    if kind not in CLASSES:
        raise LineProblem(f"class must be {' or '.join(CLASSES)}, not {kind!r}")
    return float(at_s), expert, CLASSES.index(kind)
